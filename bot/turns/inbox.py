"""Messages as they arrive: once each, one turn at a time in a thread, the others beside it."""

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bot.agents.cancellation import SHUTDOWN
from bot.concurrency.event_dedup import EventDedup
from bot.concurrency.running_turns import RunningTurns
from bot.concurrency.serial_queues import SerialQueues
from bot.slack.types import IncomingMessage, parse_message
from bot.turns.turn import TurnHandler
from storage import Observability

TURNS = 256
"""Far more than ask agents at once: what is only to be decided on waits for no agent."""

LAST_WORDS_S = 15.0
"""How long agents that were stopped have to end, and their threads to be told."""

logger = logging.getLogger("tracebot.inbox")


class Inbox:
    """Takes events from Bolt's threads at once; turns run on threads of their own."""

    def __init__(
        self,
        conversation: TurnHandler,
        *,
        dedup: EventDedup,
        running: RunningTurns,
        observability: Observability,
        captured: Callable[[IncomingMessage], str | None],
    ) -> None:
        self._conversation = conversation
        self._dedup = dedup
        self._running = running
        self._observability = observability
        self._captured = captured
        self._turns = ThreadPoolExecutor(TURNS, thread_name_prefix="tracebot-turn")
        self._notices = ThreadPoolExecutor(2, thread_name_prefix="tracebot-notice")
        self._queues = SerialQueues(self._turns)

    def accept(self, body: Mapping[str, Any]) -> None:
        """A `message` or `app_mention` event; a mention in a channel arrives as both."""
        message = parse_message(body)
        place = f"message:{message.team}:{message.channel}:{message.ts}"
        if not self._dedup.is_new(place):
            return
        root = self._observability.start_span(
            "slack message", self._attributes(message, body), kind="consumer"
        )

        def turn() -> None:
            try:
                self._conversation.turn(message, root, claimed=self._dedup.claim(place))
            except Exception:
                logger.exception("A turn failed in trace %s", root.trace_id)

        lane = (message.team, message.channel, message.root_ts)
        if self._queues.submit(lane, turn):
            self._notices.submit(self._conversation.tell_to_wait, message, root)

    def stop(self, *, grace: float) -> None:
        """Take no more; let the turns that run end within `grace` seconds, then end them."""
        self._conversation.stop()
        if not self._queues.drain(timeout=grace):
            self._running.cancel_all(SHUTDOWN)
            self._queues.drain(timeout=LAST_WORDS_S)
        self._notices.shutdown(wait=True, cancel_futures=True)
        self._turns.shutdown(wait=False, cancel_futures=True)

    def _attributes(self, message: IncomingMessage, body: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "team": message.team,
            "channel": message.channel,
            "thread_ts": message.root_ts,
            "message_ts": message.ts,
            "user": message.user,
            "text": self._captured(message),
            "messaging.system": "slack",
            "messaging.operation.type": "process",
            "slack.event_id": body.get("event_id"),
            "slack.event_type": body["event"].get("type"),
            "slack.files": len(message.files),
        }
