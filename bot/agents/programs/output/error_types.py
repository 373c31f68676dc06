"""Tell from a program's message why its model gave no answer."""

import re

from bot.agents.errors import TOO_LONG

STATUS = {
    401: "authentication",
    402: "quota",
    403: "authentication",
    429: "quota",
    529: "quota",
}
"""HTTP status of the model's API → error type; Anthropic sends 529 if it is overloaded."""

BEFORE = r"(?:(?<![:.#\d])(?<!line )|(?<=status:)|(?<=code:)|(?<=error:)|(?<=\":))\b"
AFTER = r"\b(?![:.]?\d)"
"""Around a status in a message. In a stack trace a number is a line, as in `index.js:429:1187`."""

WORDS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (error_type, re.compile(words, re.IGNORECASE))
    for error_type, words in (
        ("refused", r"content.?filter|usage policy|violates? .{0,40}polic|(?-i:\bSAFETY\b)"),
        (
            "quota",
            rf"{BEFORE}(402|429|529){AFTER}"
            r"|quota|rate.?limit|usage (limit|exceeded)|too many requests|overloaded"
            r"|out of (credits?|extra usage)|credit balance|billing|RESOURCE_EXHAUSTED"
            r"|(hit|reached|exceeded) your (\S+ ){0,3}(limit|allowance)"
            r"|\b(hour|session|weekly) limit",
        ),
        (
            "authentication",
            rf"{BEFORE}(401|403){AFTER}"
            r"|unauthori[sz]ed|unauthenticated|authenticat|api.?key|\b(log|sign) ?in\b"
            r"|(access|refresh) token|credentials|\bauth method\b|missing environment variable",
        ),
        ("output_limit", r"\boutput tokens? (?:maximum|limit)"),
        ("too_long", TOO_LONG.pattern),
    )
)


def error_type_of(message: str, *, status: int | None = None) -> str:
    """Return the error type that message or status show, `crash` if none."""
    if status in STATUS:
        return STATUS[status]
    return next((name for name, words in WORDS if words.search(message)), "crash")
