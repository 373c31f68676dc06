"""The steps that ask Slack: it checks each token at once."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from bot.cli.init.dialogue import Dialogue, Stopped
from bot.cli.init.tokens import GivenToken, cleaned, shortened
from bot.errors import ConfigurationError
from bot.settings import SettingsError, load_settings
from bot.slack.connection.credentials import (
    APPS,
    SCOPES_UNKNOWN,
    SOCKET_SCOPE,
    SWITCH_ON,
    SocketAddress,
    app_of_bot,
    identify,
    refuse_token_of_other_app,
    socket_address,
)
from bot.slack.connection.socket_connection import TIMING, open_connection
from bot.slack.connection.start_client import client_for_start
from bot.slack.errors import SlackUnavailable
from reports.errors import UsageError

Found = TypeVar("Found")


@dataclass(frozen=True, kw_only=True, slots=True)
class BotIdentity:
    """The bot whose token Slack accepted; `app` is the id of its app, None if it is unknown."""

    user: str
    team: str
    knows_scopes: bool
    app: str | None


def settle_bot(given: GivenToken, dialogue: Dialogue, *, force: bool) -> tuple[str, BotIdentity]:
    dialogue.step("Bot token")
    if not given.value:
        dialogue.tell(
            "On the app's page: Install App → Install to your workspace (an administrator may have "
            "to agree), and then copy the Bot User OAuth Token. It begins with xoxb-."
        )
        dialogue.link(APPS)
    value, bot = settle_token(given, dialogue, check_bot_token, force=force)
    dialogue.well(f"Slack accepts it: the bot is @{bot.user} in {bot.team}.")
    if bot.knows_scopes:
        dialogue.well("The app has the scopes that it needs.")
    else:
        dialogue.warn(SCOPES_UNKNOWN)
    return value, bot


def settle_app(
    given: GivenToken, dialogue: Dialogue, bot: BotIdentity, bot_token: str, *, force: bool
) -> str:
    dialogue.step("App token, for Socket Mode")
    if not given.value:
        dialogue.tell(
            "On the app's page: Basic Information → App-Level Tokens → Generate Token and Scopes. "
            f"Add the scope {SOCKET_SCOPE}, generate it, and copy it. It begins with xapp-."
        )
        dialogue.link(f"{APPS}/{bot.app}/general" if bot.app else APPS)
    check = partial(check_app_token, bot_token=bot_token, app=bot.app)
    value, address = settle_token(given, dialogue, check, force=force)
    while address.is_switched_off:
        dialogue.warn(
            f"Slack says that Socket Mode is off: the bot would hear nothing. {SWITCH_ON}"
        )
        if not dialogue.attended or not dialogue.confirm("Check it again?"):
            return value
        value, address = checked_token(value, dialogue, check)
    dialogue.well("Socket Mode works: Slack opened a connection.")
    return value


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
