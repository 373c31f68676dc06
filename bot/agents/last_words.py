"""Find the line of a program's stderr that says why it failed."""

import re

from reports.formatting import without_controls
from storage.model.redaction import redact

LONGEST = 300
"""Characters of the line."""

NOISE = re.compile(
    r"\W*"  # nothing but braces, rules and carets
    r"|at .+:\d+\)?|\.{3} \d+ more"  # frames of a stack in JavaScript and in Java
    r"|Node\.js v[\d.]+"
    r"|note: run with .+ backtrace"  # Rust
)
"""Lines that a program may print after the one that says why."""


def last_words(stderr: str) -> str:
    """Return the last line that says something, without colours and secrets; "" without any.

    If it goes on with an error that began above, that is told, too.

    Secrets are removed first, because one may have several lines.
    """
    text = redact(without_controls(stderr))
    lines = [line for each in text.splitlines() if (line := " ".join(each.split()))]
    said = (line for line in reversed(lines) if not NOISE.fullmatch(line))
    words = next(said, lines[-1] if lines else "")
    if words[:1].islower():
        # The end of a message of several lines, as codex's about its configuration, or a notice.
        begins = [line for line in lines if line.startswith("Error")]
        words = " … ".join([*begins[-1:], words])
    return words if len(words) <= LONGEST else f"{words[:LONGEST]}…"
