"""Accept incoming messages: drop duplicates and run one turn at a time per thread."""

import logging
from collections.abc import Mapping
from typing import Any

from bot.agents.cancellation import SHUTDOWN
from bot.concurrency.event_dedup import EventDedup
from bot.concurrency.logging_executor import LoggingExecutor
from bot.concurrency.running_turns import RunningTurns
from bot.concurrency.serial_queues import SerialQueues
from bot.settings import Settings
from bot.slack.types import IncomingMessage, parse_message
from bot.turns.turn import TurnHandler
from storage import Observability

TURN_THREADS = 256
"""Far more than the turns that ask agents at once: a turn that waits for its slot keeps its thread,
and a message that only needs a decision must not wait for one."""

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
        dedup: EventDedup,
        running: RunningTurns,
        observability: Observability,
        settings: Settings,
    ) -> None:
        self._handler = handler
        self._team = team
        self._bot_user = bot_user
        self._dedup = dedup
        self._running = running
        self._observability = observability
        self._settings = settings
        self._turns = LoggingExecutor(TURN_THREADS, thread_name_prefix="tracebot-turn")
        self._notices = LoggingExecutor(2, thread_name_prefix="tracebot-notice")
        self._queues = SerialQueues(self._turns)

    def accept(self, body: Mapping[str, Any]) -> None:
        """Take a `message` or `app_mention` event; a mention in a channel arrives as both."""
        message = parse_message(body, team=self._team)
        key = f"message:{message.team}:{message.channel}:{message.ts}"
        if not self._dedup.is_new(key):
            return
        root = self._observability.start_span(
            "slack message", self._attributes(message, body), kind="consumer"
        )
        turn = self._handler.open(message, root)

        def run() -> None:
            try:
                self._handler.run(turn, claimed=self._dedup.claim(key))
            except Exception:
                logger.exception("A turn failed in trace %s", root.trace_id)

        thread = (message.team, message.channel, message.root_ts)
        if self._queues.submit(thread, message.ts, run):
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
            "text": self._settings.captured(message.without_mention(self._bot_user)),
            "messaging.system": "slack",
            "messaging.operation.type": "process",
            "slack.event_id": body.get("event_id"),
            "slack.event_type": body["event"].get("type"),
            "slack.files": len(message.files),
        }
