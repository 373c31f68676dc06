"""The tokens: where they come from, and the checks that Slack makes of them at once."""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from bot.cli.init.dialogue import Dialogue, Stopped
from bot.errors import ConfigurationError
from bot.settings import SettingsError, given_token, load_settings
from bot.slack.connection.client import client_for_start
from bot.slack.connection.credentials import (
    SocketAddress,
    app_of_bot,
    identify,
    refuse_token_of_other_app,
    socket_address,
)
from bot.slack.connection.socket_connection import TIMING, open_connection
from bot.slack.errors import SlackUnavailable
from reports.errors import UsageError

Found = TypeVar("Found")


@dataclass(frozen=True, kw_only=True, slots=True)
class GivenToken:
    """A token that was found and is not checked yet.

    `source` is where it was found; both are empty without one. `stored` is the token of `.env`,
    which this one would replace.
    """

    name: str
    option: str
    value: str = field(default="", repr=False)
    source: str = ""
    stored: str = field(default="", repr=False)

    @property
    def is_new(self) -> bool:
        return bool(self.value and self.stored and self.value != self.stored)


@dataclass(frozen=True, kw_only=True, slots=True)
class BotIdentity:
    """The bot whose token Slack accepted; `app` is the id of its app, None if it is unknown."""

    user: str
    team: str
    knows_scopes: bool
    app: str | None


def find_token(name: str, option: str, file: str | None, *, anew: bool) -> GivenToken:
    """Look for a token in a file, in the environment, and in `.env` unless it is asked `anew`.

    Raises `ConfigurationError` if the file cannot be read.
    """
    stored = given_token(name, environ={})[0]
    if file is not None:
        value, source = cleaned(_read(file)), option
    else:
        value, source = given_token(name)
        value = "" if anew and source == ".env" else cleaned(value)
    return GivenToken(
        name=name, option=option, value=value, source=source if value else "", stored=stored
    )


def _read(file: str) -> str:
    """Return the first line of a file, or the next one of stdin."""
    if file == "-":
        return sys.stdin.readline()
    try:
        return next(iter(Path(file).read_text(encoding="utf-8").splitlines()), "")
    except (OSError, UnicodeDecodeError) as error:
        problem = getattr(error, "strerror", None) or "it is not text"
        raise ConfigurationError(f"{file} cannot be read ({problem}).") from error


def cleaned(pasted: str) -> str:
    """Return a token without what is copied with it: spaces, quotes, the name of its variable."""
    return re.sub(r"^(export\s+)?SLACK_\w+\s*=", "", pasted.strip()).strip("\"'`“”‘’ \t")


def shortened(token: str) -> str:
    """Return enough of a token to tell it from others, but not to use it."""
    return f"{token[:5]}…{token[-4:]}" if len(token) > 20 else f"{token[:5]}…"


def settle_token(
    given: GivenToken,
    dialogue: Dialogue,
    check: Callable[[str], Found],
    *,
    force: bool,
) -> tuple[str, Found]:
    """Return a token that passes its check, and what the check found.

    Asks until there is one, and before one of `.env` is replaced. Raises `SettingsError` or
    `UsageError` if nobody can be asked.
    """
    if not dialogue.attended and given.is_new and not force:
        raise UsageError(
            f".env has another {given.name} ({shortened(given.stored)}): add --force to replace it."
        )
    if given.value:
        head = "Kept from .env" if given.source == ".env" else f"From {given.source}"
        dialogue.tell(f"{head}: {shortened(given.value)}")
    value = given.value or _pasted(dialogue, "Paste it here; it is not shown")
    value, found = checked_token(value, dialogue, check)
    if given.stored not in ("", value) and dialogue.attended and not force:
        question = f"Replace {given.name} {shortened(given.stored)} in .env?"
        if not dialogue.confirm(question):
            raise Stopped
    return value, found


def checked_token(
    value: str, dialogue: Dialogue, check: Callable[[str], Found]
) -> tuple[str, Found]:
    """Return this token, or the first one that passes its check, and what the check found."""
    while True:
        try:
            return value, check(value)
        except (ConfigurationError, SlackUnavailable) as error:
            text = str(error).removesuffix(".")
            text = f"{text[:1].upper()}{text[1:]}"
            if not dialogue.attended:
                raise SettingsError(f"{text}. Nothing was written.") from error
            dialogue.refuse(f"{text}.")
        again = "Paste it again, or press Enter to check the same one"
        value = cleaned(dialogue.secret(again)) or value


def _pasted(dialogue: Dialogue, question: str) -> str:
    while not (value := cleaned(dialogue.secret(question))):
        dialogue.refuse("Nothing was pasted. Ctrl-C ends this, and writes nothing.")
    return value


def check_bot_token(token: str) -> BotIdentity:
    """Return the bot of a token. Raises `SettingsError` and `SlackUnavailable`."""
    client = client_for_start(load_settings(SLACK_BOT_TOKEN=token, SLACK_APP_TOKEN=""))
    bot = identify(client)
    return BotIdentity(
        user=str(bot.get("user") or "tracebot"),
        team=str(bot.get("team")),
        knows_scopes=bot["scopes"] is not None,
        app=app_of_bot(client, bot.get("bot_id")),
    )


def check_app_token(token: str, *, bot_token: str, app: str | None) -> SocketAddress:
    """Open a connection in Socket Mode, and close it. Raises `SettingsError`, `SlackUnavailable`.

    A proxy may let Slack's Web API pass and no WebSocket, so the connection itself is tried.
    """
    client = client_for_start(load_settings(SLACK_BOT_TOKEN=bot_token, SLACK_APP_TOKEN=token))
    address = socket_address(client, token)
    refuse_token_of_other_app(address, app)
    open_connection(address.url, proxy=client.proxy, timing=TIMING).close()
    return address
