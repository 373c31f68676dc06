"""Delivery to the app: events with Slack's retries, and questions that need an answer."""

import asyncio
import copy
import logging
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from typing import Any, Literal, Protocol

from bot.sandbox.delivery import events
from bot.sandbox.state.faults import Faults
from bot.sandbox.state.manifest import Manifest
from bot.sandbox.state.values import Json
from bot.sandbox.state.workspace import Workspace

logger = logging.getLogger("tracebot.sandbox")

Kind = Literal["events_api", "slash_commands", "interactive"]
Then = Callable[[Json | None], None]

RETRY_WAITS = (0.0, 60.0, 300.0)
"""Seconds before Slack's second, third and fourth attempt to deliver an event."""

CHANNEL_EVENTS = ("archive", "deleted", "left", "shared", "unarchive", "unshared")

EVENT_SCOPE = {
    "app_mention": "app_mentions:read",
    "message.channels": "channels:history",
    "message.groups": "groups:history",
    "message.im": "im:history",
    "message.mpim": "mpim:history",
    "reaction_added": "reactions:read",
    "reaction_removed": "reactions:read",
    "member_joined_channel": "channels:read",
    "member_left_channel": "channels:read",
    **{f"channel_{what}": "channels:read" for what in CHANNEL_EVENTS},
    **{f"group_{what}": "groups:read" for what in CHANNEL_EVENTS},
}


class Undelivered(Exception):
    """The app did not accept it. `reason` is Slack's word; `final` forbids another attempt."""

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.final = final


def _ignore(answer: Json | None) -> None:
    """Do nothing with an answer."""


class Transport(Protocol):
    """A way to reach the app: Socket Mode or HTTP."""

    @property
    def late(self) -> str:
        """Slack's word for an acknowledgement that was late."""

    async def deliver(self, kind: Kind, payload: Json, *, attempt: int, reason: str) -> Json | None:
        """Return the app's answer, None for a bare acknowledgement. Raises `Undelivered`."""


class Outbox:
    """Accept deliveries from any thread and send them on the server's loop.

    Deliveries that still wait when the server stops are cancelled.
    """

    def __init__(
        self,
        workspace: Workspace,
        manifest: Manifest,
        transport: Transport,
        faults: Faults,
    ) -> None:
        self.transport = transport
        self.retry_waits: Sequence[float] = RETRY_WAITS
        self.events: list[Json] = []
        """The payload of every event sent to the app, in order."""
        self.lost: list[Json] = []
        """Payloads that the app never acknowledged."""
        self._workspace = workspace
        self._manifest = manifest
        self._faults = faults
        self._loop: asyncio.AbstractEventLoop | None = None
        self._under_way = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    async def stop(self) -> None:
        self._loop = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def idle(self) -> bool:
        return self._under_way == 0

    def tell(self, subscription: str, event: Json) -> None:
        """Send an event if the app subscribed to it and has the scope for it; do not wait."""
        scope = EVENT_SCOPE.get(subscription)
        if subscription not in self._manifest.bot_events:
            return
        if scope is not None and scope not in self._manifest.scopes:
            return
        for payload in events.envelopes(self._workspace, event):
            payload = copy.deepcopy(payload)
            self.events.append(payload)
            for _ in range(1 + self._faults.take_duplicates()):
                self.redeliver(payload)

    def redeliver(self, payload: Json) -> None:
        """Send an event unchanged, under the same `event_id`."""
        self._submit(self._deliver_event(payload))

    def ask(self, kind: Kind, payload: Json, then: Then = _ignore) -> Future[Json | None]:
        """Deliver once, because a person waits for the answer. The future raises `Undelivered`.

        `then` is called with the answer on the server's loop, before the future is done: what it
        adds to the workspace is there when the caller goes on.
        """
        answer: Future[Json | None] = Future()
        self._submit(self._deliver_question(kind, payload, then, answer))
        return answer

    def _submit(self, work: Coroutine[Any, Any, None]) -> None:
        loop = self._loop
        if loop is None:
            # Closed, or Python would warn of a coroutine that was never awaited.
            work.close()
            return
        # Counted here and not in the task: `idle` must be false as soon as the caller returns.
        with self._workspace.changing():
            self._under_way += 1
        loop.call_soon_threadsafe(self._start_task, loop, work)

    def _start_task(self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, None]) -> None:
        task = loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        with self._workspace.changing():
            self._under_way -= 1

    async def _deliver_event(self, payload: Json) -> None:
        reason = ""
        for attempt, wait in enumerate((0.0, *self.retry_waits)):
            await asyncio.sleep(wait)
            try:
                await self.transport.deliver("events_api", payload, attempt=attempt, reason=reason)
                if not self._faults.take_lost_ack():
                    return
                reason = self.transport.late
            except Undelivered as failure:
                reason = failure.reason
                if failure.final:
                    break
            except Exception:  # A fault of the sandbox itself: its tests look at what is lost.
                logger.exception("An event could not be delivered")
                break
        with self._workspace.changing():
            self.lost.append(payload)

    async def _deliver_question(
        self, kind: Kind, payload: Json, then: Then, answer: Future[Json | None]
    ) -> None:
        try:
            body = await self.transport.deliver(kind, payload, attempt=0, reason="")
            then(body)
            answer.set_result(body)
        except asyncio.CancelledError:
            answer.cancel()
            raise
        except Exception as failure:
            answer.set_exception(failure)
