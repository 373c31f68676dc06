"""Accept incoming messages: drop duplicates and run one turn at a time per thread."""

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from peewee import PeeweeException

from bot.agents.cancellation import SHUTDOWN
from bot.concurrency.event_dedup import EventDedup, message_key
from bot.concurrency.lanes import Lanes
from bot.concurrency.logging_executor import LoggingExecutor
from bot.concurrency.running_turns import RunningTurns
from bot.concurrency.serial_queues import SerialQueues
from bot.slack.conversation.conversation import ConversationReader
from bot.slack.errors import SLACK_ERRORS, error_code
from bot.slack.reactions import ENDS, WAITING
from bot.slack.types import IncomingMessage, edited_ts, mention_added, parse_message
from bot.turns.decision import Reason
from bot.turns.turn import TURN_THREADS, Turn, TurnHandler
from storage import ActiveSpan, Observability
from storage.coordination.accepted_messages import AcceptedMessage, Standing
from storage.model.erasure import EDITED, HEARD
from storage.model.semconv import READ_THREAD
from storage.model.trace_context import Ids
from storage.queries.lookups import message_traces

FLUSH_S = 1.0
"""How long an edit waits, in the background, for what is recorded of its message."""

CANCEL_GRACE_S = 15.0
"""How long cancelled agents have to end, and their threads to be told."""

LANE = "tracebot.lane"
"""The attribute of a turn whose order in its thread only this process knew."""

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
        lanes: Lanes,
        running: RunningTurns,
        observability: Observability,
    ) -> None:
        self._handler = handler
        self._team = team
        self._bot_user = bot_user
        self._reader = reader
        self._dedup = dedup
        self._lanes = lanes
        self._running = running
        self._observability = observability
        self._turns = LoggingExecutor(TURN_THREADS, expected=SLACK_ERRORS, name="tracebot-turn")
        self._notices = LoggingExecutor(2, expected=SLACK_ERRORS, name="tracebot-notice")
        self._queues = SerialQueues(self._turns, poll_s=observability.database.poll_s)
        self._stopping = threading.Event()

    def accept(self, body: Mapping[str, Any]) -> None:
        """Take a `message` or `app_mention` event; a mention in a channel arrives as both."""
        event = body["event"]
        if event["type"] == "app_mention" and event.get("edited"):
            return  # An edit, which `accept_edit` is told of as well.
        message = parse_message(body, team=self._team)
        key = message_key(message.team, message.channel, message.ts)
        # What an app posts in blocks may come as an empty message first, and then as a mention.
        is_blank = not message.has_words and not message.files
        self._accept(message, f"blank {key}" if is_blank else key, body)

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
        root = self._root(message, {"event": {"type": "ask_again"}})
        if parent is not None:
            root.link(parent)
        turn = self._handler.open(message, root, position=f"{time.time():.6f}", left=ENDS)
        self._accept_turn(turn, claim="")

    def resume(self, message: IncomingMessage, left: AcceptedMessage) -> None:
        """Answer a message that its process has left, in a new trace."""
        root = self._root(
            message, {"event": {"type": "taken_over"}}, **{"tracebot.taken_over": left.trace_id}
        )
        # Perhaps it shows READ, which is shown again then.
        marks = (*ENDS, WAITING) if message.asked_again else (WAITING,)
        turn = self._handler.open(message, root, position=left.position, left=marks)
        if self._lanes.resume(left, as_trace=root.trace_id):
            self._submit(turn, left.position, claim="")
        else:
            root.set(decision="skip", reason=Reason.HANDLED_ELSEWHERE.value)
            self._observability.end_span(root)

    def look_again(self) -> None:
        """Let messages that wait for another process look if their turn may begin."""
        self._queues.look_again()

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
        if self._dedup.is_new(key):
            root = self._root(message, body)
            self._accept_turn(self._handler.open(message, root, position=message.ts), claim=key)

    def _accept_turn(self, turn: Turn, *, claim: str) -> None:
        """Store a message, and let its turn wait for those before it in its thread."""
        standing, order = None, turn.message.ts
        if turn.accepted is not None:
            order = turn.accepted.position
            standing = self._lanes.accept(turn.accepted, claim=claim)
        # First if the lane is its already, because the others of this process wait for that.
        waits = self._submit(turn, "" if standing is Standing.RUNS else order, claim=claim)
        if standing is not Standing.ELSEWHERE and (waits or standing is Standing.WAITS):
            # On a thread of its own: Bolt's must return, and the queue's is busy by definition.
            self._notices.submit(self._handler.show_waiting, turn)

    def _submit(self, turn: Turn, order: str, *, claim: str) -> bool:
        """Run a turn after those of its thread that have a lower *order*; return if it waits."""
        message = turn.message
        thread = (message.team, message.channel, message.root_ts)
        return self._queues.submit(thread, order, partial(self._run, turn, claim))

    def _run(self, turn: Turn, claim: str) -> bool:
        """Run a turn; return False if another process still runs one of its thread."""
        trace = turn.root.trace_id
        try:
            standing = self._standing(turn, claim)
            if standing is Standing.WAITS:
                return False
            current = self._handler.as_it_is_now(turn) if standing is Standing.CHANGED else turn
            if current is not None:
                self._handler.run(current, claimed=standing is not Standing.ELSEWHERE)
        except SLACK_ERRORS as error:
            logger.error("A turn ended early in trace %s: %s", trace, error_code(error))
        except Exception:
            logger.exception("A turn failed in trace %s", trace)
        self._lanes.end(trace)
        return True

    def _standing(self, turn: Turn, claim: str) -> Standing:
        """Return if a turn may run. Without the database this process's queue decides."""
        if turn.accepted is not None:
            if self._stopping.is_set() and self._lanes.leave(turn.root.trace_id):
                return Standing.ELSEWHERE
            standing = self._lanes.begin(turn.root.trace_id)
            if standing is not None:
                return standing
            turn.root.set(**{LANE: "this process"})
        # With its row its lease was stored, which is nobody else's then.
        is_ours = not claim or self._lanes.is_stored(turn.root.trace_id)
        claimed = is_ours or self._dedup.claim(claim)
        return Standing.RUNS if claimed else Standing.ELSEWHERE

    def stop(self, *, grace: float) -> None:
        """Let the running turns end within *grace* seconds, then cancel them.

        The caller has stopped whatever calls `accept`.
        """
        # First, so that turns which still wait in a queue are left to the next process.
        self._stopping.set()
        self._handler.stop()
        if not self._queues.drain(timeout=grace):
            self._running.cancel_all(SHUTDOWN)
            self._queues.drain(timeout=CANCEL_GRACE_S)
        # Waits for the notice that is being sent: it may still have to remove its reaction.
        self._notices.shutdown(wait=True, cancel_futures=True)
        # Does not wait: a turn that ignored its cancellation must not keep the process alive here.
        self._turns.shutdown(wait=False, cancel_futures=True)
        self._handler.close()
        self._lanes.close()

    def _root(self, message: IncomingMessage, body: Mapping[str, Any], **more: str) -> ActiveSpan:
        attributes, again = {**self._attributes(message, body), **more}, message.asked_again
        if again is not None:
            attributes["tracebot.asked_again"] = again.trace_id
        if not message.is_by_asker:
            # What somebody else wrote is stored with their own turn, where they can erase it.
            attributes["text"] = "(asked again)"
        root = self._observability.start_span("slack message", attributes, kind="consumer")
        if again is not None:
            # The agent may quote what the author asked to be forgotten.
            with self._observability.span(READ_THREAD, parent=root) as span:
                span.set(**{HEARD: [again.author]})
        return root

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
            EDITED: message.edited,
        }
