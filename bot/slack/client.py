"""Clients of Slack's Web API, and the check that they may do what the bot needs."""

from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_handlers import (
    ConnectionErrorRetryHandler,
    RateLimitErrorRetryHandler,
    ServerErrorRetryHandler,
)

from bot.settings import Settings, SettingsError
from bot.slack.errors import SLACK_ERRORS

SCOPES = frozenset(
    (
        *("app_mentions:read", "chat:write", "commands", "users:read", "files:read"),
        *("channels:history", "groups:history", "im:history", "mpim:history"),
        *("channels:read", "groups:read", "mpim:read"),
        *("reactions:read", "reactions:write"),
    )
)
"""Without these some of what the bot is asked would fail, message by message."""


def client_with_retries(settings: Settings) -> WebClient:
    """For what may be tried again without harm."""
    client = client_without_retries(settings)
    client.retry_handlers = [
        ConnectionErrorRetryHandler(max_retry_count=2),
        RateLimitErrorRetryHandler(max_retry_count=3),
        ServerErrorRetryHandler(max_retry_count=2),
    ]
    return client


def client_without_retries(settings: Settings, *, timeout_s: int = 30) -> WebClient:
    """Tries each call once."""
    client = WebClient(
        settings.slack_bot_token.get_secret_value(),
        base_url=settings.slack_api_url,
        timeout=timeout_s,
    )
    client.retry_handlers = []
    return client


def identify(client: WebClient) -> dict[str, Any]:
    try:
        answer = client.auth_test()
    except SLACK_ERRORS as error:
        raise SettingsError(connection_error("SLACK_BOT_TOKEN", error)) from error
    granted = frozenset(answer.headers.get("x-oauth-scopes", "").replace(" ", "").split(","))
    if missing := SCOPES - granted:
        raise SettingsError(
            f"The app lacks the scopes {', '.join(sorted(missing))}: add them under OAuth & "
            "Permissions (manifest.yml names them all) and install the app again."
        )
    return dict(answer.data)  # type: ignore[arg-type]


def connection_error(variable: str, error: Exception) -> str:
    if isinstance(error, SlackApiError):
        reason = error.response.get("error", "unknown_error")
        return (
            f"Slack refuses {variable} ({reason}): copy it again from the app's page at "
            "https://api.slack.com/apps."
        )
    return f"Slack cannot be reached ({type(error).__name__}): check the network and SLACK_API_URL."
