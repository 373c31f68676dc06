"""Somebody who uses /trace and its buttons, and rates answers, while bots are killed."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from bot.replies.buttons import FEEDBACK
from bot.sandbox import Channel, Message, Sandbox, SandboxError, User
from reports.render.block_kit import RUN

READ_EVERY_S = 3.0

PATIENCE_S = 30.0
"""On a busy machine what is shown comes late. Slack takes it for half an hour."""

NEAR_S = 2.0
"""What was used so shortly before or after a kill may have been in the hands of the killed bot."""


@dataclass(frozen=True, slots=True)
class Use:
    """A command or a click: when it began and ended, and what went wrong, if anything did."""

    what: str
    began: float
    ended: float
    problem: str
    trace_id: str
    """The rated trace, if this was a thumb."""

    def is_near(self, kills: Collection[float]) -> bool:
        return any(self.began - NEAR_S <= each <= self.ended + NEAR_S for each in kills)


class Reader:
    """Look at statistics, turn to another period and rate an answer, again and again."""

    def __init__(self, sandbox: Sandbox, user: User, channel: Channel) -> None:
        self._sandbox = sandbox
        self._user = user
        self._channel = channel
        self.uses: list[Use] = []

    @contextmanager
    def at_work(self) -> Iterator["Reader"]:
        ended = threading.Event()

        def read_on() -> None:
            while not ended.wait(READ_EVERY_S):
                self._look()
                self._rate()

        thread = threading.Thread(target=read_on)
        thread.start()
        try:
            yield self
        finally:
            ended.set()
            thread.join()

    @property
    def rated(self) -> list[str]:
        """The traces that were rated."""
        return [each.trace_id for each in self.uses if each.trace_id]

    @property
    def done(self) -> Mapping[str, int]:
        """How often each thing was done, and how often it went wrong."""
        uses = Counter(each.what for each in self.uses)
        return {**uses, "uses that failed": sum(bool(each.problem) for each in self.uses)}

    def failures(self, kills: Collection[float], stored: Collection[str]) -> Iterator[str]:
        """Yield what failed without a kill; *stored* are the traces whose rating is stored."""
        for each in self.uses:
            lost = each.trace_id and each.trace_id not in stored and "its rating is not stored"
            if (problem := each.problem or lost) and not each.is_near(kills):
                yield f"{each.what} at {each.began:.1f}, {each.ended - each.began:.1f} s: {problem}"

    def _look(self) -> None:
        page = self._use("/trace", self._ask_for_statistics)
        if page is not None:
            self._use("buttons", partial(self._turn, page))

    def _ask_for_statistics(self) -> list[Message]:
        return self._sandbox.command(
            self._user, self._channel, "/trace", "stats", timeout=PATIENCE_S
        )

    def _turn(self, page: Message) -> list[Message]:
        action = f"{RUN}_7d"
        return self._sandbox.click(self._user, page, action, responses=1, timeout=PATIENCE_S)

    def _rate(self) -> None:
        rated = set(self.rated)
        for reply in self._sandbox.messages(self._channel):
            trace_id = (reply.metadata or {}).get("event_payload", {}).get("trace_id")
            if trace_id in rated or all(each["type"] != "context_actions" for each in reply.blocks):
                continue
            self._use("thumbs", partial(self._press_thumb, reply, trace_id), trace_id=trace_id)
            return

    def _press_thumb(self, reply: Message, trace_id: str) -> list[Message]:
        self._sandbox.click(self._user, reply, FEEDBACK, value=f"+1 {trace_id}")
        return [reply]

    def _use(
        self, what: str, act: Callable[[], list[Message]], *, trace_id: str = ""
    ) -> Message | None:
        """Do something; return what was shown for it, None if that is not what was wanted."""
        began, problem = time.time(), ""
        try:
            shown = act()
            if not shown:
                problem = "nothing was shown"
            elif shown[0].user == "USLACKBOT":
                problem = shown[0].text
        except SandboxError as error:
            problem = str(error)
        self.uses.append(Use(what, began, time.time(), problem, trace_id))
        return None if problem else shown[0]
