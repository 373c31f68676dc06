"""Clients of Slack's Web API, and the check at the start that the bot's token is good enough."""

import math
import time
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry import HttpRequest, HttpResponse, RetryHandler, RetryState
from slack_sdk.http_retry.builtin_handlers import ConnectionErrorRetryHandler

from bot.retry import retry_after
from bot.settings import Settings, SettingsError
from bot.slack.errors import SLACK_ERRORS, SlackUnwell, error_code
from bot.slack.own_secrets import GuardedClient, OwnSecrets

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


ORGANISATION = (
    "The Slack app is installed for a whole organisation of Enterprise Grid, which tracebot does "
    "not support. Install it in one workspace, and copy the bot token of that workspace into "
    "SLACK_BOT_TOKEN."
)

LONGEST_WAIT_S = 3.0
"""The longest that somebody waits for Slack's rate limit before they get an answer."""


def client_with_retries(settings: Settings, secrets: OwnSecrets) -> WebClient:
    """Return a client that repeats failed calls.

    Use it for calls that do no harm when Slack executes them twice: reading, and reactions. A
    repeated `chat.postMessage` may post twice.
    """
    client = client_without_retries(settings, secrets)
    client.retry_handlers = [
        ConnectionErrorRetryHandler(max_retry_count=2),
        _RateLimitRetryHandler(max_retry_count=3, longest_wait_s=60.0),
        _UnwellRetryHandler(max_retry_count=2),
    ]
    return client


def client_for_lookups(settings: Settings, secrets: OwnSecrets) -> WebClient:
    """Return a client for facts about people and channels: it soon gives up.

    Slack limits the rate of calls, and may ask to wait for a minute. The answer then does without.
    """
    client = client_without_retries(settings, secrets, timeout_s=5)
    client.retry_handlers = [
        ConnectionErrorRetryHandler(max_retry_count=1),
        _RateLimitRetryHandler(max_retry_count=2, longest_wait_s=LONGEST_WAIT_S),
        _UnwellRetryHandler(max_retry_count=1),
    ]
    return client


class _UnwellRetryHandler(RetryHandler):
    """Repeats a call after any error of a server, and after an answer that makes no sense."""

    def _can_retry(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        if isinstance(error, SlackUnwell):
            return error.status == 200 or error.status >= 500
        return response is not None and response.status_code >= 500


class _RateLimitRetryHandler(RetryHandler):
    """Repeats a call if Slack asks to wait for at most `longest_wait_s`."""

    def __init__(self, max_retry_count: int, *, longest_wait_s: float) -> None:
        super().__init__(max_retry_count)
        self._longest_wait_s = longest_wait_s

    def _can_retry(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        return _asked_wait(response) <= self._longest_wait_s

    def prepare_for_next_attempt(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> None:
        time.sleep(_asked_wait(response))
        state.next_attempt_requested = True
        state.increment_current_attempt()


def _asked_wait(response: HttpResponse | None) -> float:
    """Return the seconds to wait if Slack limits the rate of calls, else infinity."""
    if response is None or response.status_code != 429:
        return math.inf
    headers = {name: str(values[0]) for name, values in response.headers.items() if values}
    seconds = retry_after(headers, now=time.time())
    return 1.0 if seconds is None else seconds


def client_without_retries(
    settings: Settings, secrets: OwnSecrets, *, timeout_s: int = 30
) -> WebClient:
    """Return a client that makes each call once; the caller decides whether to repeat it."""
    client = GuardedClient(
        settings.slack_bot_token.get_secret_value(),
        secrets=secrets,
        base_url=settings.slack_api_url,
        timeout=timeout_s,
    )
    # An empty list, because slack_sdk's default repeats a call after a connection error.
    client.retry_handlers = []
    return client


def identify(client: WebClient) -> dict[str, Any]:
    """Return the answer of `auth.test`: `user_id`, `bot_id`, `team_id` and more.

    `scopes` are those that the app was granted.

    Raises `SettingsError` if Slack does not accept the token, if it is not one of a workspace, or
    if a scope is missing.
    """
    try:
        answer = client.auth_test()
    except SLACK_ERRORS as error:
        raise SettingsError(connection_error("SLACK_BOT_TOKEN", error)) from error
    if answer.get("is_enterprise_install") or not answer.get("team_id"):
        raise SettingsError(ORGANISATION)
    granted = frozenset(answer.headers.get("x-oauth-scopes", "").replace(" ", "").split(","))
    if missing := SCOPES - granted:
        raise SettingsError(
            f"The Slack app lacks the scopes {', '.join(sorted(missing))}. Add them on the app's "
            "page under OAuth & Permissions (manifest.yml lists all) and install the app again."
        )
    return {**answer.data, "scopes": granted}  # type: ignore[dict-item]


def connection_error(variable: str, error: Exception) -> str:
    """Return why the bot cannot connect with the token in `variable`, and what to do about it."""
    code = error_code(error)
    if isinstance(error, SlackUnwell):
        return f"Slack does not accept calls at the moment ({code}). Try again in a few minutes."
    if not isinstance(error, SlackApiError):
        return f"Slack cannot be reached ({code}). Check the network and SLACK_API_URL."
    if error.response.status_code != 200:
        return f"Slack does not accept calls at the moment ({code}). Try again in a few minutes."
    return (
        f"Slack does not accept {variable} ({code}). Copy it again from the app's page at "
        "https://api.slack.com/apps."
    )
