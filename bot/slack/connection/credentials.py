"""Check the app's tokens, and tell apart what keeps Slack from accepting them.

What is ours to mend, such as a wrong token or a missing scope, is a `SettingsError` that says what
to do. What Slack or the network recovers from is `SlackUnavailable`. `serve` and `doctor` use the
same functions.
"""

import logging
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.settings import SettingsError
from bot.slack.errors import (
    PASSING,
    SLACK_ERRORS,
    SlackUnavailable,
    SlackUnwell,
    error_code,
    network_problem,
    retry_after,
)

logger = logging.getLogger("tracebot.slack")

SCOPES: Mapping[str, str] = {
    "app_mentions:read": "to hear of mentions",
    "channels:history": "to read threads in public channels",
    "channels:read": "to know who may see what in public channels",
    "chat:write": "to answer",
    "commands": "for /trace",
    "files:read": "to read files that come with a message",
    "groups:history": "to read threads in private channels",
    "groups:read": "to know who is in a private channel",
    "im:history": "to read direct messages",
    "mpim:history": "to read group messages",
    "mpim:read": "to know who is in a group message",
    "reactions:read": "to count 👍 and 👎",
    "reactions:write": "to mark messages with 👀 and ✅",
    "users:read": "to tell members from guests",
}
"""The scopes without which some messages could not be answered, and what each is for.

They are checked at the start, because a missing one would otherwise show only in the middle of a
turn. `manifest.yml` asks for a few more, which only make replies nicer.
"""

SOCKET_SCOPE = "connections:write"

APPS = "https://api.slack.com/apps"
COPY = f"Copy it again from the app's page at {APPS}."
SWITCH_ON = f"Switch it on under Socket Mode on the app's page at {APPS}."
INSTALL = f"Install the app again on its page at {APPS}, and copy the new token."
ADVICE: Mapping[str, str] = {
    "account_inactive": INSTALL,
    "token_revoked": INSTALL,
    "token_expired": f"Switch token rotation off in the app's manifest. {INSTALL}",
    "not_allowed_token_type": (
        "It is a token of another kind: SLACK_BOT_TOKEN begins with xoxb-, SLACK_APP_TOKEN with "
        "xapp-."
    ),
    "missing_scope": (
        f"Create an app-level token with the scope {SOCKET_SCOPE} under Basic Information on the "
        f"app's page at {APPS}."
    ),
    "socket_mode_not_enabled": SWITCH_ON,
    "forbidden_team": "Use a token of the workspace in which the app is installed.",
    **dict.fromkeys(
        (
            *("access_denied", "ekm_access_denied", "enterprise_is_restricted", "no_permission"),
            *("team_access_not_granted", "two_factor_setup_required", "user_is_restricted"),
        ),
        "An admin of the workspace restricts the app: ask them to allow it.",
    ),
}
"""Advice about a refusal of Slack, by its code; for all others, to copy the token again."""

ORGANISATION = (
    "The Slack app is installed for a whole organisation of Enterprise Grid, which tracebot does "
    "not support. Install it in one workspace, and copy the bot token of that workspace into "
    "SLACK_BOT_TOKEN."
)

SCOPES_UNKNOWN = (
    "Slack does not say which scopes the app has. If something is not answered, compare them with "
    "manifest.yml."
)

WEB_PAGE = (
    "a web page answers in place of Slack: sign in to this network, or check the proxy and "
    "SLACK_API_URL"
)


SIGN_IN = 511
"""The status of HTTP with which a network asks to sign in."""


def identify(client: WebClient) -> dict[str, Any]:
    """Return the answer of `auth.test`: `user_id`, `bot_id`, `team_id` and more.

    `scopes` are those that the app was granted, None if Slack does not say (`SCOPES_UNKNOWN`);
    `date` is when Slack answered, as in HTTP.

    Raises `SettingsError` if Slack does not accept the token, if it is not one of a bot in a
    workspace, or if a scope is missing; and `SlackUnavailable`.
    """
    try:
        answer = client.auth_test()
    except SLACK_ERRORS as error:
        raise refusal("SLACK_BOT_TOKEN", error, proxy=client.proxy) from error
    if answer.get("is_enterprise_install") or not answer.get("team_id"):
        raise SettingsError(ORGANISATION)
    if not answer.get("bot_id"):
        raise SettingsError(f"Slack knows no bot to which SLACK_BOT_TOKEN belongs. {INSTALL}")
    told = header(answer.headers, "x-oauth-scopes")
    scopes = None if told is None else frozenset(filter(None, re.split(r"[,\s]+", told)))
    if scopes is not None and (missing := SCOPES.keys() - scopes):
        named = ", ".join(f"{scope} ({SCOPES[scope]})" for scope in sorted(missing))
        raise SettingsError(
            f"The Slack app lacks the scopes {named}. Add them under OAuth & Permissions on the "
            f"app's page at {APPS} (manifest.yml lists all), and install the app again."
        )
    date = header(answer.headers, "date")
    return {**answer.data, "scopes": scopes, "date": date}  # type: ignore[dict-item]


@dataclass(frozen=True, slots=True)
class SocketAddress:
    """The `url` of one connection in Socket Mode; `warnings` are what Slack says of it."""

    url: str
    warnings: tuple[str, ...] = ()

    @property
    def app_id(self) -> str | None:
        """The id of the app that the token belongs to, None if the URL does not tell it."""
        return next(iter(parse_qs(urlsplit(self.url).query).get("app_id", ())), None)

    @property
    def is_switched_off(self) -> bool:
        """True if Slack warns that no events come, because Socket Mode is off."""
        return any("not turned on" in warning for warning in self.warnings)


def socket_address(client: WebClient, app_token: str) -> SocketAddress:
    """Ask Slack for a connection in Socket Mode.

    Raises `SettingsError` if Slack does not accept the token, and `SlackUnavailable`.
    """
    try:
        answer = client.apps_connections_open(app_token=app_token)
    except SLACK_ERRORS as error:
        raise refusal("SLACK_APP_TOKEN", error, proxy=client.proxy) from error
    told = (answer.get("response_metadata") or {}).get("messages") or ()
    return SocketAddress(str(answer["url"]), tuple(map(str, told)))


def socket_url(client: WebClient, app_token: str) -> str:
    """Return the URL of one connection, and log it if Slack would send no events on it.

    Raises as `socket_address`.
    """
    address = socket_address(client, app_token)
    if address.is_switched_off:
        logger.warning("Slack says that Socket Mode is off: the bot hears nothing. %s", SWITCH_ON)
    return address.url


def app_of_bot(client: WebClient, bot_id: str | None) -> str | None:
    """Return the id of the app that a bot belongs to, None if Slack does not say."""
    if bot_id is None:
        return None
    with suppress(*SLACK_ERRORS):
        bot = client.bots_info(bot=bot_id)["bot"]
        return str(bot.get("app_id") or "") or None
    return None


def refuse_token_of_other_app(address: SocketAddress, app: str | None) -> None:
    """Raise `SettingsError` if the app token is not of `app`, to which the bot token belongs."""
    if app and address.app_id and address.app_id != app:
        raise SettingsError(
            f"SLACK_APP_TOKEN belongs to another Slack app ({address.app_id}) than SLACK_BOT_TOKEN "
            f"({app}). Create an app-level token with the scope {SOCKET_SCOPE} on the page of the "
            f"bot's app: {APPS}/{app}/general"
        )


def refusal(
    variable: str, error: Exception, *, proxy: str | None
) -> SettingsError | SlackUnavailable:
    """Return what an error means for the token in `variable`, and what to do about it."""
    code = error_code(error)
    if isinstance(error, SlackUnwell) and (error.status < 500 or error.status == SIGN_IN):
        return SlackUnavailable(WEB_PAGE)
    if isinstance(error, SlackApiError) and error.response.status_code == 200:
        if code not in PASSING:
            advice = ADVICE.get(code, COPY)
            return SettingsError(f"Slack does not accept {variable} ({code}). {advice}")
    elif not isinstance(error, SlackApiError | SlackUnwell):
        return SlackUnavailable(
            f"Slack cannot be reached{_through(proxy)}: {network_problem(error)} (check the "
            "network, the proxy and SLACK_API_URL)"
        )
    return SlackUnavailable(
        f"Slack does not accept calls at the moment ({code})", wait_s=retry_after(error)
    )


def _through(proxy: str | None) -> str:
    """Name a proxy without the password that its URL may contain."""
    if not proxy:
        return ""
    return f" through the proxy {proxy.rstrip('/').rpartition('/')[2].rpartition('@')[2]}"


def header(headers: Mapping[str, str], name: str) -> str | None:
    """Return a header of an answer, in whatever letters its name is written. `name` is lower."""
    found = (value for each, value in headers.items() if each.lower() == name)
    return next(found, None)
