"""Check the app's tokens, and tell apart what keeps Slack from accepting them.

What is ours to mend, such as a wrong token or a missing scope, is a `SettingsError` that says what
to do. What Slack or the network recovers from is `SlackUnavailable`. `serve` and `doctor` use the
same functions.
"""

import re
from collections.abc import Mapping
from typing import Any

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

SCOPES = frozenset(
    (
        *("app_mentions:read", "chat:write", "commands", "users:read", "files:read"),
        *("channels:history", "groups:history", "im:history", "mpim:history"),
        *("channels:read", "groups:read", "mpim:read"),
        *("reactions:read", "reactions:write"),
    )
)
"""The scopes without which some messages could not be answered.

They are checked at the start, because a missing one would otherwise show only in the middle of a
turn. `manifest.yml` asks for a few more, which only make replies nicer.
"""

SOCKET_SCOPE = "connections:write"

APPS = "https://api.slack.com/apps"
COPY = f"Copy it again from the app's page at {APPS}."
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
    "forbidden_team": "Use a token of the workspace in which the app is installed.",
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
    "a web page answers in the place of Slack: sign in to this network, or check the proxy and "
    "SLACK_API_URL"
)


def identify(client: WebClient) -> dict[str, Any]:
    """Return the answer of `auth.test`: `user_id`, `bot_id`, `team_id` and more.

    `scopes` are those that the app was granted, None if Slack does not say (`SCOPES_UNKNOWN`);
    `date` is when Slack answered, as in HTTP.

    Raises `SettingsError` if Slack does not accept the token, if it is not one of a workspace, or
    if a scope is missing; and `SlackUnavailable`.
    """
    try:
        answer = client.auth_test()
    except SLACK_ERRORS as error:
        raise refusal("SLACK_BOT_TOKEN", error) from error
    if answer.get("is_enterprise_install") or not answer.get("team_id"):
        raise SettingsError(ORGANISATION)
    told = header(answer.headers, "x-oauth-scopes")
    scopes = None if told is None else frozenset(filter(None, re.split(r"[,\s]+", told)))
    if scopes is not None and (missing := SCOPES - scopes):
        raise SettingsError(
            f"The Slack app lacks the scopes {', '.join(sorted(missing))}. Add them on the app's "
            "page under OAuth & Permissions (manifest.yml lists all) and install the app again."
        )
    date = header(answer.headers, "date")
    return {**answer.data, "scopes": scopes, "date": date}  # type: ignore[dict-item]


def socket_url(client: WebClient, app_token: str) -> str:
    """Return the URL of one connection in Socket Mode.

    Raises `SettingsError` if Slack does not accept the token, and `SlackUnavailable`.
    """
    try:
        return str(client.apps_connections_open(app_token=app_token)["url"])
    except SLACK_ERRORS as error:
        raise refusal("SLACK_APP_TOKEN", error) from error


def refusal(variable: str, error: Exception) -> SettingsError | SlackUnavailable:
    """Return what an error means for the token in `variable`, and what to do about it."""
    code = error_code(error)
    if isinstance(error, SlackUnwell) and error.status == 200:
        return SlackUnavailable(WEB_PAGE)
    if isinstance(error, SlackApiError) and error.response.status_code == 200:
        if code not in PASSING:
            advice = ADVICE.get(code, COPY)
            return SettingsError(f"Slack does not accept {variable} ({code}). {advice}")
    elif not isinstance(error, SlackApiError | SlackUnwell):
        return SlackUnavailable(
            f"Slack cannot be reached: {network_problem(error)} (check the network, the proxy and "
            "SLACK_API_URL)"
        )
    return SlackUnavailable(
        f"Slack does not accept calls at the moment ({code})", wait_s=retry_after(error)
    )


def header(headers: Mapping[str, str], name: str) -> str | None:
    """Return a header of an answer, in whatever letters its name is written. `name` is lower."""
    found = (value for each, value in headers.items() if each.lower() == name)
    return next(found, None)
