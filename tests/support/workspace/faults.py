"""What goes wrong in the scripted workspace. Each method is one fault; `later` ends it."""

import heapq
import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress

from peewee import Database, OperationalError

from bot.jobs.scheduler import TAKE_OVER_S
from bot.sandbox import Sandbox
from storage.database.connect import connect
from storage.database.models import AcceptedMessageRow, UnfinishedReplyRow
from tests.support.workspace.bot_process import BotProcess
from tests.support.workspace.people import People

METHODS = (
    *("chat.postMessage",) * 4,
    *("chat.update",) * 3,
    *("chat.startStream", "chat.appendStream", "chat.stopStream") * 2,
    *("chat.delete", "chat.postEphemeral", "conversations.replies", "conversations.replies"),
    *("conversations.info", "conversations.members", "users.info", "users.list", "bots.info"),
    *("users.conversations", "usergroups.list", "reactions.add", "reactions.remove"),
    *("agents.sessions.setStatus", "files.info", "files", "files.getUploadURLExternal"),
    *("views.publish", "response_url", "apps.connections.open", "auth.test"),
)

WITH_FIELDS = tuple(
    method
    for method in METHODS
    if method.startswith(("conversations.", "users.", "bots.", "usergroups.", "apps.", "auth."))
    or method in ("chat.postMessage", "chat.startStream", "files.getUploadURLExternal")
)
"""Methods whose bare `{"ok": true}` cannot be taken for a success."""

GATEWAY = "<html><body>passerelle indisponible \xe9\xe8</body></html>".encode("latin-1")
RESTRICTED = ("restricted_action", "restricted_action_thread_locked", "cannot_reply_to_message")
LINE_FAULTS = ("reset", "end", "silence", "half a frame", "fragments")

STORING_S = 10.0
"""How long a mark of work is waited for: one may be left by a call that failed."""

Action = Callable[[], None]


class WorkspaceFaults:
    """Faults at random, from one generator."""

    def __init__(
        self, sandbox: Sandbox, bot: BotProcess, people: People, generator: random.Random
    ) -> None:
        self._sandbox = sandbox
        self._bot = bot
        self._people = people
        self._random = generator
        self._ends: list[tuple[float, int, Action]] = []
        self._numbers = itertools.count()
        self.struck: Counter[str] = Counter()
        self._lockers: list[threading.Thread] = []
        self._starting: list[threading.Thread] = []

    def actions(self, *, http: bool) -> dict[Action, int]:
        """Return each fault, and how often it strikes beside the others."""
        line = {} if http else {self.break_line: 3, self.refresh_line: 2, self.withhold: 1}
        return {
            self.limit_rate: 6,
            self.fail_in_gateway: 6,
            self.answer_in_latin_1: 2,
            self.answer_without_fields: 3,
            self.answer_with_a_list: 2,
            self.lose_answer: 3,
            self.be_late: 2,
            self.refuse: 4,
            self.refuse_blocks: 2,
            self.archive: 2,
            self.restrict: 2,
            self.end_streams: 2,
            self.repeat_events: 3,
            self.deliver_late: 2,
            self.lock_database: 2,
            self.kill: 2,
            **line,
        }

    def run_due(self) -> None:
        """End the faults whose time has come."""
        while self._ends and self._ends[0][0] <= time.monotonic():
            heapq.heappop(self._ends)[2]()

    def end_all(self) -> None:
        """Make Slack, the line and the database well again."""
        while self._ends:
            heapq.heappop(self._ends)[2]()
        self._sandbox.faults.clear()
        for thread in (*self._lockers, *self._starting):
            thread.join()

    def limit_rate(self) -> None:
        method, wait = self._method(), self._random.choice((0, 1, 2))
        self._sandbox.faults.rate_limit(method, self._times(), retry_after=wait)

    def fail_in_gateway(self) -> None:
        status = self._random.choice((500, 502, 503, 504))
        self._sandbox.faults.server_error(self._method(), self._times(), status=status)

    def answer_in_latin_1(self) -> None:
        kind = "text/html; charset=iso-8859-1"
        self._sandbox.faults.answer(
            self._method(), GATEWAY, self._times(), status=502, content_type=kind
        )

    def answer_without_fields(self) -> None:
        self._sandbox.faults.answer(self._random.choice(WITH_FIELDS), '{"ok":true}', self._times())

    def answer_with_a_list(self) -> None:
        self._sandbox.faults.answer(self._method(), "[]", self._times())

    def lose_answer(self) -> None:
        """Let Slack do what it was asked for, and not say so."""
        method = self._method()
        if method not in ("files", "response_url", "apps.connections.open"):
            self._sandbox.faults.lose_answer(method)

    def be_late(self) -> None:
        self._sandbox.faults.latency(self._method(), self._random.choice((1.0, 6.0, 12.0)))

    def refuse(self) -> None:
        """Refuse messages, whatever is in them."""
        method = self._random.choice(("chat.postMessage", "chat.update", "chat.stopStream"))
        code = self._random.choice(
            ("msg_too_long", "invalid_blocks", "internal_error", "fatal_error", "ratelimited")
        )
        self._sandbox.faults.error(method, code, self._times())

    def refuse_blocks(self) -> None:
        refused = self._random.choice((("markdown",), ("actions",), ("markdown", "section")))
        self._sandbox.faults.refuse_blocks(*refused, named=self._random.random() < 0.5)
        self._later(3.0, self._sandbox.faults.refuse_blocks)

    def archive(self) -> None:
        channel = self._people.channels[1]
        self._sandbox.archive(channel)
        self._later(2.0, lambda: self._sandbox.archive(channel, archived=False))

    def restrict(self) -> None:
        channel = self._people.channels[0]
        self._sandbox.restrict(channel, self._random.choice(RESTRICTED))
        self._later(2.0, lambda: self._sandbox.restrict(channel, None))

    def end_streams(self) -> None:
        """End every stream, as Slack does after five minutes."""
        with self._sandbox._slack.workspace.changing():
            self._sandbox._slack.streams.clear()

    def repeat_events(self) -> None:
        if self._random.random() < 0.5:
            self._sandbox.faults.duplicate_event(3)
        else:
            self._sandbox.faults.lose_ack(3)

    def deliver_late(self) -> None:
        """Deliver an event once more, long after it was answered."""
        if told := self._sandbox.events():
            self._sandbox.redeliver(self._random.choice(told))

    def break_line(self) -> None:
        self._sandbox.break_sockets(self._random.choice(LINE_FAULTS))  # type: ignore[arg-type]

    def refresh_line(self) -> None:
        reason = self._random.choice(("refresh_requested", "warning", "link_disabled"))
        self._sandbox.refresh_sockets(reason, leave_after=self._random.choice((0.0, 1.0, 5.0)))

    def withhold(self) -> None:
        self._sandbox.withhold_events()

    def lock_database(self) -> None:
        seconds = self._random.uniform(1.0, 7.0)

        def lock() -> None:
            with closing(connect(self._bot.database)) as database, suppress(OperationalError):
                database.begin()
                time.sleep(seconds)
                database.rollback()
                self._wait_until_stored(database)

        self._lockers.append(threading.Thread(target=lock))
        self._lockers[-1].start()

    def _wait_until_stored(self, database: Database) -> None:
        """Wait until the database knows of each message on which the bot works, as Slack shows."""
        # Until then it has stored the messages that it accepted meanwhile.
        time.sleep(TAKE_OVER_S + 1.0)
        begun = UnfinishedReplyRow.select(UnfinishedReplyRow.message_ts)
        waiting = AcceptedMessageRow.select(AcceptedMessageRow.message_ts)
        deadline = time.monotonic() + STORING_S
        while time.monotonic() < deadline:
            known = {ts for (ts,) in (begun | waiting).tuples().execute(database)}
            if {message.ts for message in self._people.in_work()} <= known:
                return
            time.sleep(0.1)

    def kill(self) -> None:
        """Kill the bot, and start it again. People go on meanwhile."""
        # What is to be known of a turn after a kill waits in memory for a locked database, and is
        # stored a moment after that: only then the threads of `lock_database` end.
        if any(each.is_alive() for each in (*self._starting, *self._lockers)):
            return
        self._bot.kill()
        starter = threading.Thread(target=self._bot.start)
        starter.start()
        self._starting.append(starter)

    def _method(self) -> str:
        return self._random.choice(METHODS)

    def _times(self) -> int:
        return self._random.choice((1, 1, 1, 2, 4))

    def _later(self, seconds: float, end: Action) -> None:
        entry = (time.monotonic() + seconds, next(self._numbers), end)
        heapq.heappush(self._ends, entry)


def strike(actions: dict[Action, int], generator: random.Random, struck: Counter[str]) -> None:
    """Do one of the actions; one that is not possible at the moment is left out."""
    (act,) = generator.choices(list(actions), list(actions.values()))
    with suppress(Exception):
        act()
        struck[act.__name__] += 1
