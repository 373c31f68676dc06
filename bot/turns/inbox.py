"""Accept incoming messages: drop duplicates and run one turn at a time per thread."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from peewee import PeeweeException

from bot.agents.cancellation import SHUTDOWN
from bot.concurrency.event_dedup import EventDedup, message_key
from bot.concurrency.logging_executor import LoggingExecutor
from bot.concurrency.running_turns import RunningTurns
from bot.concurrency.serial_queues import SerialQueues
from bot.slack.conversation.conversation import ConversationReader
from bot.slack.errors import SLACK_ERRORS, error_code
from bot.slack.types import IncomingMessage, edited_ts, mention_added, parse_message
from bot.turns.turn import Turn, TurnHandler
from storage import Observability
from storage.model.erasure import EDITED, HEARD
from storage.model.semconv import READ_THREAD
from storage.model.trace_context import Ids
from storage.queries.traces import message_traces

TURN_THREADS = 256
"""Far more than the turns that ask agents at once: a turn that waits for its slot keeps its thread,
and a message that only needs a decision must not wait for one."""

FLUSH_S = 1.0
"""How long an edit waits, in the background, for what is recorded of its message."""

CANCEL_GRACE_S = 15.0
"""How long cancelled agents have to end, and their threads to be told."""

logger = logging.getLogger("tracebot.inbox")


class Inbox:
    """Take events from Bolt's threads at once, and run their turns on threads of its own."""

    def __init__(
        self,
        handler: TurnHandler,
        *,
        team: str,
        bot_user: str,
        reader: ConversationReader,
        dedup: EventDedup,
        running: RunningTurns,
        observability: Observability,
    ) -> None:
        self._handler = handler
        self._team = team
        self._bot_user = bot_user
        self._reader = reader
        self._dedup = dedup
        self._running = running
        self._observability = observability
        self._turns = LoggingExecutor(TURN_THREADS, expected=SLACK_ERRORS, name="tracebot-turn")
        self._notices = LoggingExecutor(2, expected=SLACK_ERRORS, name="tracebot-notice")
        self._queues = SerialQueues(self._turns)

    def accept(self, body: Mapping[str, Any]) -> None:
        """Take a `message` or `app_mention` event; a mention in a channel arrives as both."""
        event = body["event"]
        if event["type"] == "app_mention" and event.get("edited"):
            return  # An edit, which `accept_edit` is told of as well.
        message = parse_message(body, team=self._team)
        self._accept(message, message_key(message.team, message.channel, message.ts), body)

    def accept_edit(self, body: Mapping[str, Any]) -> None:
        """Take a `message_changed` event, which may add a mention. It asks the database."""
        event = mention_added(body, bot_user=self._bot_user)
        if event is None or self._was_asked(event["channel"], event["ts"]):
            return
        message = parse_message({**body, "event": event}, team=self._team)
        message = replace(message, mention_added=edited_ts(event))
        key = f"mention added:{message.team}:{message.channel}:{message.ts}"
        self._accept(message, key, {**body, "event": event})

    def ask_again(self, message: IncomingMessage, parent: Ids | None) -> None:
        """Ask a question again, as *message* says; *parent* is the root span of its first turn."""
        again = message.asked_again
        assert again is not None
        attributes = {
            **self._attributes(message, {"event": {"type": "ask_again"}}),
            # What somebody else wrote is stored with their own turn, where they can erase it.
            **({} if message.is_by_asker else {"text": "(asked again)"}),
            "tracebot.asked_again": again.trace_id,
        }
        root = self._observability.start_span("slack message", attributes, kind="consumer")
        if parent is not None:
            root.link(parent)
        # The agent may quote what the author asked to be forgotten.
        with self._observability.span(READ_THREAD, parent=root) as span:
            span.set(**{HEARD: [again.author]})
        self._submit(self._handler.open(message, root), f"{time.time():.6f}", claim=lambda: True)

    def _was_asked(self, channel: str, ts: str) -> bool:
        """Return True if the message was a question before it was edited."""
        self._observability.flush(FLUSH_S)
        database = self._observability.database
        try:
            traces = message_traces(database, channel=channel, message_ts=ts)
        except PeeweeException as error:
            logger.warning("The traces of an edited message cannot be read: %s", error)
            return False
        ours = [trace for trace in traces if trace.team == self._team]
        return any(trace.decision == "answer" or trace.status == "running" for trace in ours)

    def _accept(self, message: IncomingMessage, key: str, body: Mapping[str, Any]) -> None:
        if not self._dedup.is_new(key):
            return
        root = self._observability.start_span(
            "slack message", self._attributes(message, body), kind="consumer"
        )
        turn = self._handler.open(message, root, claim=key)
        self._submit(turn, message.ts, claim=lambda: self._dedup.claim(key))

    def _submit(self, turn: Turn, order: str, *, claim: Callable[[], bool]) -> None:
        """Run a turn after those of its thread that have a lower *order*."""

        def run() -> None:
            try:
                self._handler.run(turn, claimed=claim())
            except SLACK_ERRORS as error:
                trace = turn.root.trace_id
                logger.error("A turn ended early in trace %s: %s", trace, error_code(error))
            except Exception:
                logger.exception("A turn failed in trace %s", turn.root.trace_id)

        message = turn.message
        thread = (message.team, message.channel, message.root_ts)
        if self._queues.submit(thread, order, run):
            # On a thread of its own: Bolt's must return, and the queue's is busy by definition.
            self._notices.submit(self._handler.show_waiting, turn)

    def stop(self, *, grace: float) -> None:
        """Let the running turns end within *grace* seconds, then cancel them.

        The caller has stopped whatever calls `accept`.
        """
        # First, so that turns which still wait in a queue tell their users to ask again.
        self._handler.stop()
        if not self._queues.drain(timeout=grace):
            self._running.cancel_all(SHUTDOWN)
            self._queues.drain(timeout=CANCEL_GRACE_S)
        # Waits for the notice that is being sent: it may still have to remove its reaction.
        self._notices.shutdown(wait=True, cancel_futures=True)
        # Does not wait: a turn that ignored its cancellation must not keep the process alive here.
        self._turns.shutdown(wait=False, cancel_futures=True)

    def _attributes(self, message: IncomingMessage, body: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "team": message.team,
            "channel": message.channel,
            "thread_ts": message.root_ts,
            "message_ts": message.ts,
            "user": message.user,
            # Without names that Slack would have to be asked for: Bolt's thread must not wait.
            "text": self._reader.stored(message.content, wait=False),
            "messaging.system": "slack",
            "messaging.operation.type": "process",
            "slack.event_id": body.get("event_id"),
            "slack.event_type": body["event"].get("type"),
            "slack.bot_id": message.bot_id,
            "slack.files": len(message.files),
            EDITED: message.mention_added,
        }
