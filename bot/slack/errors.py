"""The errors of Slack's client, and what they mean for the caller.

`bot.errors` has the errors that we raise about settings; `bot.retry` decides when to call again.
"""

import socket
import ssl
import time
from http.client import HTTPException
from urllib.error import URLError

from slack_sdk.errors import SlackApiError, SlackClientError

from bot import retry


class SlackUnwell(SlackClientError):
    """Slack's answer is not one of its Web API; `status` is that of HTTP if it is an error."""

    def __init__(self, message: str, *, status: int = 200) -> None:
        super().__init__(message)
        self.status = status


class SlackUnavailable(Exception):
    """Slack, or the network on the way to it, is not well; the same call may succeed later.

    The message is a clause without a full stop. `wait_s` is how long Slack asks to wait, in
    seconds, None if it does not say.
    """

    def __init__(self, message: str, *, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s


SLACK_ERRORS = (SlackClientError, HTTPException, OSError)
"""Everything that a call may raise: `slack_sdk` passes network errors through unchanged
(`URLError` is an OSError)."""

PASSING = frozenset(
    (
        *("internal_error", "fatal_error", "service_unavailable", "request_timeout"),
        *("ratelimited", "rate_limited", "accesslimited", "team_added_to_org"),
        *("org_login_required", "external_channel_migrating"),
    )
)
"""Error codes of what Slack recovers from by itself: the same call may succeed later."""

GONE = frozenset(
    (
        *("channel_not_found", "is_archived", "not_in_channel", "thread_not_found"),
        *("cannot_reply_to_message", "user_is_restricted", "messages_tab_disabled"),
        *("account_inactive", "token_revoked", "team_access_not_granted", "ekm_access_denied"),
        *("token_expired", "invalid_auth", "not_authed", "enterprise_is_restricted"),
        *(
            "is_inactive",
            "channel_is_limited_access",
            "posting_to_channel_denied",
            "message_limit_exceeded",
        ),
    )
)
"""Error codes after which nothing can be posted in that conversation any more; see `is_gone`."""

BLOCKS_REFUSED = frozenset(
    ("invalid_blocks", "invalid_blocks_format", "invalid_arguments", "msg_blocks_too_long")
)
"""Error codes of a refusal that plainer blocks may avoid. It had no effect."""

RESTRICTED = "restricted_action"
"""The beginning of the codes for channels and threads in which the bot may not post."""


class ThreadGone(SlackClientError):
    """The thread's first message was deleted: Slack would post a reply to it in the channel.

    `left` is the `ts` of a reply that is in the channel and could not be deleted.
    """

    def __init__(self, message: str, *, left: str | None = None) -> None:
        super().__init__(message)
        self.left = left


def is_gone(code: str) -> bool:
    """Return True if nothing can be posted in that conversation any more."""
    return code in GONE or code.startswith(RESTRICTED)


def retry_after(error: Exception) -> float | None:
    """Return the seconds to wait if Slack limits the rate of calls, None for any other error."""
    if not isinstance(error, SlackApiError) or error.response.status_code != 429:
        return None
    seconds = retry.retry_after(error.response.headers, now=time.time())
    return 1.0 if seconds is None else seconds


def in_doubt(error: Exception) -> bool:
    """Return True if Slack did not say whether the call took effect."""
    if isinstance(error, SlackApiError):
        return error.response.status_code >= 500 or error_code(error) in PASSING
    return not isinstance(error, ThreadGone)


def may_have_worked(error: Exception) -> bool:
    """Return True if the call may have taken effect, or may do so later.

    A rate limit is an answer: the call had no effect. Silence is not.
    """
    return in_doubt(error) and retry_after(error) is None


def is_unanswered(error: Exception) -> bool:
    """Return True if no answer came at all: Slack may still carry the call out, a while later.

    The page of a gateway that gave up waiting (504) does not count as one.
    """
    return not isinstance(error, SlackClientError) or error_code(error) == "status 504"


def is_refusal(error: Exception) -> bool:
    """Return True if Slack said no, and will say so again."""
    return retry_after(error) is None and not in_doubt(error)


def error_code(error: Exception) -> str:
    """Return Slack's own code such as `not_in_channel`, else the HTTP status or the class."""
    if isinstance(error, SlackUnwell):
        return "malformed_answer" if error.status == 200 else f"status {error.status}"
    if isinstance(error, SlackApiError):
        if error.response.status_code >= 500:
            return f"status {error.response.status_code}"
        return str(error.response.get("error") or "unknown_error")
    return "thread_not_found" if isinstance(error, ThreadGone) else type(error).__name__


def network_problem(error: BaseException) -> str:
    """Return in plain words what keeps us from reaching a server, without its address."""
    if isinstance(error, URLError) and isinstance(error.reason, BaseException):
        error = error.reason
    for kind, words in NETWORK_PROBLEMS.items():
        if isinstance(error, kind):
            detail = getattr(error, "verify_message", "") or getattr(error, "reason", "")
            return f"{words} ({detail})" if detail and isinstance(detail, str) else words
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


NETWORK_PROBLEMS: dict[type[BaseException], str] = {
    socket.gaierror: "its name cannot be resolved",
    ssl.SSLCertVerificationError: "its certificate is not trusted",
    ssl.SSLError: "no encrypted connection could be made",
    TimeoutError: "it does not answer in time",
    ConnectionRefusedError: "it refuses connections",
    ConnectionError: "it ended the connection",
    HTTPException: "it ended the connection",
    EOFError: "it ended the connection",
}
"""Words for what happened, by the class of the error; the first that fits."""
