"""Tell whether two failures are the same issue: same workspace, error, agent and kind of message.

The parts of a message that differ each time are replaced: times, links, paths, what is quoted, ids
and numbers. Numbers that say which error it is stay: the status of HTTP, an exit code.
"""

import hashlib
import re
from collections.abc import Callable

READ = 1_000
"""Characters of a message that are looked at."""

LENGTH = 12
"""Hexadecimal digits of a fingerprint: among 10,000 issues, two are alike once in six million."""

CODE = r"(?:https?|status|code|errno|signal|exit(?:ed)?|returned)(?:[ _](?:status|code|with|by))?"

QUOTED = "|".join(
    (
        # Not the apostrophe of "doesn't": quotes stand beside a word, and not within it.
        r"(?<!\w)'[^'\n]{0,200}+'(?!\w)",
        *(
            rf"{left}[^{right}\n]{{0,200}}+{right}"
            for left, right in ('""', "``", "“”", "‘’", "«»")
        ),
    )
)


def _id(word: re.Match[str]) -> str:
    """Return a placeholder for a word with two digits and a letter, such as an id."""
    digits = sum(map(str.isdigit, word[0]))
    return "<id>" if 2 <= digits < len(word[0]) else word[0]


# Each part of a text is read a bounded number of times: quantifiers are possessive (`++`) or
# bounded, and no match begins within what an earlier one has passed over.
PLACEHOLDERS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (
        re.compile(
            r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?"
            r"|\b\d\d?:\d\d(?::\d\d(?:[.,]\d{1,9})?)?\b"
        ),
        "<time>",
    ),
    (re.compile(r"\b[a-zA-Z][a-zA-Z+.-]{1,15}://[^\s'\"`<>)\]]++"), "<link>"),
    (re.compile(r"(?<![\w.+-])[\w.+-]{1,64}+@[\w-]{1,64}+(?:\.[\w-]{1,64}+){1,8}"), "<address>"),
    (re.compile(QUOTED), "<text>"),
    (
        re.compile(
            r"(?<![\w<./\\])(?:~|\.{1,2}|[A-Za-z]:)?[/\\](?:[\w.@+~%-]++[/\\]?)++"
            r"|(?<![\w<./@~+-])(?:[\w.@+~-]++/)++[\w@+~-]++\.\w++"
        ),
        "<path>",
    ),
    # With 16 digits or more it is an id, even if none of them happens to be a letter.
    (re.compile(r"\b(?:0[xX][0-9a-fA-F]++|[0-9a-fA-F]{16,}+)\b"), "<id>"),
    (re.compile(r"(?<![\w-])[\w-]{8,}+"), _id),
    (re.compile(rf"(?i)\b({CODE}[ :=#]{{0,3}})(\d{{1,5}})\b|(\()([45]\d\d)(?=\))"), r"\1\3<\2\4>"),
    (re.compile(r"(?<![<\d])\d++(?:[.,:]\d++)*+(?!>)"), "<n>"),
    (re.compile(r"\s++"), " "),
)
"""Patterns in the order in which they are replaced, and what stands in their place."""


def normalised(message: str) -> str:
    """Return a message without what differs each time."""
    text = message[:READ]
    for pattern, replacement in PLACEHOLDERS:
        text = pattern.sub(replacement, text)
    return text.strip()


def fingerprint(
    *, team: str | None, error_type: str, agent: str | None, message: str | None
) -> str:
    """Return the id of an issue. Two workspaces have no issue in common."""
    parts = (team or "", error_type, agent or "", normalised(message or ""))
    # With its length before each part, or two divisions of the same text would look alike.
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:LENGTH]
