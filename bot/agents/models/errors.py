"""What a model API says when it does not answer, and what that means for the one who asked."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

from bot.agents.models.api import Event, mapping, text
from bot.retry import retry_after

STATUSES: Mapping[int, str] = {
    401: "authentication",
    402: "quota",
    403: "authentication",
    404: "not_found",
    408: "timeout",
    429: "quota",
}
"""HTTP status → error type; any other is a `crash`."""

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
"""What the APIs call an error, as its `type` or `code` → error type; it says more than a status."""

PASSING = frozenset({"overloaded_error", "api_error", "server_error", "rate_limit_error"})
"""Names of what may be over at the next attempt, where there is no status to tell."""

LASTING = frozenset({"insufficient_quota", "billing_error"})
"""Names of what waiting does not help, whatever the status says."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportedError:
    """`said` is the API's own words; `again` that it may do better soon, after `wait_s` seconds
    where it said so."""

    error_type: str
    said: str
    again: bool
    wait_s: float | None = None


def of_response(status: int, headers: Mapping[str, str], body: bytes) -> ReportedError:
    """What an answer other than 200 means."""
    name, message = _words(_json(body))
    error_type = NAMES.get(name) or STATUSES.get(status, "crash")
    if "credit balance" in message.lower():  # Anthropic's 400 of an account without money.
        error_type, name = "quota", "billing_error"
    again = status in (408, 409, 429) or status >= 500
    return ReportedError(
        error_type=error_type,
        said=f"{status} {message or name}".strip(),
        again=again and name not in LASTING and headers.get("x-should-retry") != "false",
        wait_s=retry_after(headers, now=time.time()),
    )


def in_event(event: Event) -> ReportedError | None:
    """What an event in mid-stream means, where it is one of an error."""
    if not event.get("error"):
        return None
    name, message = _words(event)
    return ReportedError(
        error_type=NAMES.get(name, "crash"), said=message or name, again=name in PASSING
    )


def _words(event: Event) -> tuple[str, str]:
    """An error's name and message, in any of the shapes that servers give it."""
    error = event.get("error")
    facts = mapping(error) or event
    names = [text(facts.get("code")), text(facts.get("type"))]
    name = next((each for each in names if each in NAMES or each in PASSING), names[1] or names[0])
    message = text(facts.get("message")) or text(error) or text(facts.get("detail"))
    return name, " ".join(message.split())[:500]


def _json(body: bytes) -> Event:
    try:
        return mapping(json.loads(body))
    except (ValueError, RecursionError):
        return {}
