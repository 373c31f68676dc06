"""One Web API method, with the token and the scopes that it requires."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from bot.sandbox.backend.slack import Slack
from bot.sandbox.requests.arguments import Arguments
from bot.sandbox.state.values import Json

READ_SCOPES = ("channels:read", "groups:read", "im:read", "mpim:read")
HISTORY_SCOPES = ("channels:history", "groups:history", "im:history", "mpim:history")


@dataclass(frozen=True, slots=True)
class Method:
    """A method of the Web API. The caller needs any one of `scopes`.

    A method that depends on its arguments checks more by itself: history of a private channel.
    """

    answer: Callable[[Slack, Arguments], Json]
    scopes: tuple[str, ...] = ()
    token: Literal["bot", "app", "none"] = "bot"
