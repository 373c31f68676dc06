"""The errors of Slack's client, and what they mean for the caller.

`bot.errors` has the errors that we raise about settings; `bot.retry` decides when to call again.
"""

import time
from http.client import HTTPException

from slack_sdk.errors import SlackApiError, SlackClientError

from bot import retry


class SlackUnwell(SlackClientError):
    """Slack's answer is not one of its Web API; `status` is that of HTTP if it is an error."""

    def __init__(self, message: str, *, status: int = 200) -> None:
        super().__init__(message)
        self.status = status


SLACK_ERRORS = (SlackClientError, HTTPException, OSError)
"""Everything that a call may raise: `slack_sdk` passes network errors through unchanged
(`URLError` is an OSError)."""

GONE = frozenset(
    (
        *("channel_not_found", "is_archived", "not_in_channel", "thread_not_found"),
        *("account_inactive", "token_revoked", "team_access_not_granted"),
    )
)
"""Error codes after which nothing can be posted in that conversation any more."""


def retry_after(error: Exception) -> float | None:
    """Return the seconds to wait if Slack limits the rate of calls, None for any other error."""
    if not isinstance(error, SlackApiError) or error.response.status_code != 429:
        return None
    seconds = retry.retry_after(error.response.headers, now=time.time())
    return 1.0 if seconds is None else seconds


def error_code(error: Exception) -> str:
    """Return Slack's own code such as `not_in_channel`, else the HTTP status or the class."""
    if isinstance(error, SlackUnwell):
        return "malformed_answer" if error.status == 200 else f"status {error.status}"
    if isinstance(error, SlackApiError):
        if error.response.status_code >= 500:
            return f"status {error.response.status_code}"
        return str(error.response.get("error") or "unknown_error")
    return type(error).__name__
