"""Read the errors that model APIs report, and turn them into errors with advice."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

from bot.agents.errors import TOO_LONG, AgentCrashed, AgentError, AgentNotFound, AgentTimeout
from bot.agents.models.api import Endpoint, Event, mapping, text
from bot.agents.types import Reply
from bot.retry import TryAgain, retry_after
from storage.model.redaction import redacted_start

STATUSES: Mapping[int, str] = {
    401: "authentication",
    402: "quota",
    403: "authentication",
    404: "not_found",
    408: "timeout",
    413: "too_long",
    429: "quota",
}
"""HTTP status → error type; any other status is a `crash`."""

NAMES: Mapping[str, str] = {
    "authentication_error": "authentication",
    "permission_error": "authentication",
    "invalid_api_key": "authentication",
    "billing_error": "quota",
    "rate_limit_error": "quota",
    "rate_limit_exceeded": "quota",
    "insufficient_quota": "quota",
    "not_found_error": "not_found",
    "model_not_found": "not_found",
    "timeout_error": "timeout",
    "content_filter": "refused",
    "content_policy_violation": "refused",
}
"""An error's `type` or `code` at the APIs → error type. It says more than the status."""

TEMPORARY = frozenset({"overloaded_error", "api_error", "server_error", "rate_limit_error"})
"""Names of errors in mid-stream, which have no status, that may be over at the next attempt."""

LASTING = frozenset({"insufficient_quota", "billing_error"})
"""Names of errors that waiting does not help, whatever the status says."""

ADVICE: Mapping[str, str] = {
    "authentication": "check that {key} holds a valid key",
    "quota": "wait, or raise the account's limits",
    "not_found": "check model and base_url in the agents file",
    "too_long": "set a lower TRACEBOT_HISTORY_CHARACTERS, or choose a model that takes more",
}
MAX_MESSAGE = 500
"""Characters of an API's own message that are kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportedError:
    """An error as the API reports it. `message` is the API's own and may contain the key.

    `temporary` errors are worth another attempt, after `wait_s` seconds if the API says so.
    """

    error_type: str
    message: str
    temporary: bool
    wait_s: float | None = None


def error_in_response(status: int, headers: Mapping[str, str], body: bytes) -> ReportedError:
    """Return the error of a response with any status but 200."""
    name, message = _name_and_message(_json(body))
    error_type = NAMES.get(name) or STATUSES.get(status, "crash")
    if "credit balance" in message.lower():  # Anthropic's 400 for an account without money.
        error_type, name = "quota", "billing_error"
    elif error_type == "crash" and TOO_LONG.search(message):
        error_type = "too_long"
    temporary = status in (408, 409, 429) or status >= 500
    return ReportedError(
        error_type=error_type,
        message=f"{status} {message or name}".strip(),
        temporary=temporary and name not in LASTING and headers.get("x-should-retry") != "false",
        wait_s=retry_after(headers, now=time.time()),
    )


def error_in_event(event: Event) -> ReportedError | None:
    """Return the error of an event in mid-stream, None if it is not an error."""
    if not event.get("error"):
        return None
    name, message = _name_and_message(event)
    return ReportedError(
        error_type=NAMES.get(name, "crash"), message=message or name, temporary=name in TEMPORARY
    )


def reported(endpoint: Endpoint, error: ReportedError, partial: Reply | None) -> Exception:
    """Return the exception for a reported error: `AgentError`, or `TryAgain` around one."""
    advice = ADVICE.get(error.error_type, "").format(key=endpoint.key_variable or "api_key_env")
    # The key goes before the message is cut: a part of it could not be found any more.
    message = error.message.replace(endpoint.key, "…") if endpoint.key else error.message
    reason = redacted_start(message, MAX_MESSAGE)
    sentence = f"{endpoint.agent} got no answer from {endpoint.base_url} ({reason})"
    sentence += f": {advice}." if advice else "."
    found: AgentError
    if error.error_type == "timeout":
        found = AgentTimeout(sentence, partial=partial)
    else:
        found = AgentError(error.error_type, sentence, said=reason, partial=partial)
    return TryAgain(found, wait_s=error.wait_s) if error.temporary else found


def crash(endpoint: Endpoint, what: str, partial: Reply | None) -> AgentCrashed:
    """Return the error of a server that did `what` instead of answering."""
    return AgentCrashed(f"{endpoint.agent} failed: {endpoint.base_url} {what}.", partial=partial)


def unreachable(endpoint: Endpoint, error: Exception) -> AgentNotFound:
    """Return the error of a server that cannot be connected to."""
    advice = (
        "check its scheme and its certificate." if "SSL" in str(error) else "check that it runs."
    )
    reason = str(error) or type(error).__name__
    return AgentNotFound(
        f"{endpoint.agent} cannot reach the server at {endpoint.base_url} ({reason}): {advice}"
    )


def _name_and_message(event: Event) -> tuple[str, str]:
    """Return an error's name and message from any of the shapes that servers use."""
    error = event.get("error")
    facts = mapping(error) or event
    names = [text(facts.get("code")), text(facts.get("type"))]
    known = (each for each in names if each in NAMES or each in TEMPORARY)
    name = next(known, names[1] or names[0])
    message = text(facts.get("message")) or text(error) or text(facts.get("detail"))
    return name, " ".join(message.split())


def _json(body: bytes) -> Event:
    try:
        return mapping(json.loads(body))
    except (ValueError, RecursionError):
        return {}
