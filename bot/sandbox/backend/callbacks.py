"""The short-lived permissions that Slack gives an app: `trigger_id` and `response_url`."""

import secrets
from dataclasses import dataclass, field

from bot.sandbox.state.clock import Clock
from bot.sandbox.state.errors import Refusal
from bot.sandbox.state.values import Message
from bot.sandbox.state.workspace import TEAM

TRIGGER_SECONDS = 3.0
RESPONSE_SECONDS = 30 * 60.0
MOST_RESPONSES = 5


@dataclass(slots=True)
class Response:
    """A permission to answer one person in one channel. `original` is the clicked message."""

    user: str
    channel: str
    expires: float
    original: Message | None = None
    thread_ts: str | None = None
    uses: int = 0
    produced: list[Message] = field(default_factory=list)


class Callbacks:
    """Issue triggers and response URLs, and check each use against Slack's limits."""

    def __init__(self, clock: Clock, base: str) -> None:
        self._clock = clock
        self._base = base
        self._triggers: dict[str, tuple[str, float]] = {}
        self._exchanged: set[str] = set()
        self._responses: dict[str, Response] = {}

    def new_trigger(self, user: str) -> str:
        trigger = f"{secrets.randbelow(10**12)}.{secrets.randbelow(10**12)}.{secrets.token_hex(16)}"
        self._triggers[trigger] = (user, self._clock.now() + TRIGGER_SECONDS)
        return trigger

    def exchange(self, trigger: str) -> str:
        """Use up a trigger and return the id of the user it belongs to. Raises `Refusal`."""
        if trigger in self._exchanged:
            raise Refusal("exchanged_trigger_id")
        if trigger not in self._triggers:
            raise Refusal("invalid_trigger_id")
        user, expires = self._triggers.pop(trigger)
        if expires < self._clock.now():
            raise Refusal("expired_trigger_id")
        self._exchanged.add(trigger)
        return user

    def new_response(
        self,
        *,
        user: str,
        channel: str,
        original: Message | None = None,
        thread_ts: str | None = None,
    ) -> tuple[str, Response]:
        """Return a new response_url and the permission behind it."""
        expires = self._clock.now() + RESPONSE_SECONDS
        key = f"{TEAM}/{secrets.randbelow(10**12)}/{secrets.token_urlsafe(18)}"
        response = Response(user, channel, expires, original, thread_ts)
        self._responses[key] = response
        return f"{self._base}/response/{key}", response

    def use(self, key: str) -> Response:
        """Count one use of a response_url. Raises `Refusal`."""
        response = self._responses.get(key)
        if response is None or response.expires < self._clock.now():
            raise Refusal("expired_url")
        if response.uses >= MOST_RESPONSES:
            raise Refusal("used_url")
        response.uses += 1
        return response
