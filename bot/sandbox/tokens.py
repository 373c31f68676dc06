"""The tokens of the app in the sandbox, in the form of Slack's."""

import secrets
from dataclasses import dataclass, field

from bot.sandbox.state.workspace import APP


def _digits(count: int) -> str:
    return str(secrets.randbelow(9 * 10 ** (count - 1)) + 10 ** (count - 1))


def _bot() -> str:
    return f"xoxb-{_digits(12)}-{_digits(13)}-{secrets.token_hex(12)}"


def _app() -> str:
    return f"xapp-1-{APP}-{_digits(13)}-{secrets.token_hex(32)}"


@dataclass(frozen=True)
class Tokens:
    """The tokens of one app and the secret that signs its requests, each new by default."""

    bot: str = field(default_factory=_bot)
    app: str = field(default_factory=_app)
    signing_secret: str = field(default_factory=lambda: secrets.token_hex(16))
