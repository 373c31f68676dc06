"""Tell from a program's message why its model gave no answer."""

import re

STATUS = {
    401: "authentication",
    402: "quota",
    403: "authentication",
    429: "quota",
    529: "quota",
}
"""HTTP status of the model's API → error type; Anthropic sends 529 if it is overloaded."""

WORDS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (error_type, re.compile(words, re.IGNORECASE))
    for error_type, words in (
        ("refused", r"content.?filter|usage policy|violates? .{0,40}polic|\bSAFETY\b"),
        (
            "quota",
            r"\b(402|429|529)\b|quota|rate.?limit|usage limit|too many requests|overloaded"
            r"|out of credits?|credit balance|billing|RESOURCE_EXHAUSTED"
            r"|(hit|reached) your (\S+ ){0,2}limit|\b(hour|session|weekly) limit",
        ),
        (
            "authentication",
            r"\b(401|403)\b|unauthori[sz]ed|unauthenticated|authenticat|api.?key|log ?in\b"
            r"|credentials|\bauth method\b|missing environment variable",
        ),
    )
)


def error_type_of(message: str, *, status: int | None = None) -> str:
    """Return `quota`, `authentication` or `refused` if message or status shows it, else `crash`."""
    if status in STATUS:
        return STATUS[status]
    return next((name for name, words in WORDS if words.search(message)), "crash")
