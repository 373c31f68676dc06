"""One Web API method: what answers it, and what it asks of the caller."""

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
    """Any one of `scopes` will do, as far as the method's name alone can tell."""

    answer: Callable[[Slack, Arguments], Json]
    scopes: tuple[str, ...] = ()
    token: Literal["bot", "app", "none"] = "bot"
