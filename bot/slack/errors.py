"""What Slack's client raises when Slack refuses, cannot be reached, or breaks off half-way."""

from http.client import HTTPException

from slack_sdk.errors import SlackApiError, SlackClientError

SLACK_ERRORS = (SlackClientError, HTTPException, OSError)
"""`slack_sdk` lets the network's own errors through as they are (`URLError` is an OSError)."""

GONE = frozenset(
    (
        *("channel_not_found", "is_archived", "not_in_channel", "thread_not_found"),
        *("account_inactive", "token_revoked", "team_access_not_granted"),
    )
)
"""Slack's words for that nobody can be answered there any more."""

TOO_LONG = frozenset(
    ("msg_too_long", "msg_blocks_too_long", "invalid_blocks", "invalid_blocks_format")
)
"""… and for that a message is more than it takes."""


def retry_after(error: Exception) -> float | None:
    """The seconds that Slack asks us to wait, where that is why it refused."""
    if not isinstance(error, SlackApiError) or error.response.status_code != 429:
        return None
    headers = {name.lower(): value for name, value in error.response.headers.items()}
    seconds = headers.get("retry-after", "1")
    return float(seconds) if str(seconds).isdecimal() else 1.0


def error_code(error: Exception) -> str:
    """Slack's own word for it, such as `not_in_channel`, else the kind of error."""
    if isinstance(error, SlackApiError):
        if error.response.status_code >= 500:
            return f"status {error.response.status_code}"
        return str(error.response.get("error") or "unknown_error")
    return type(error).__name__
