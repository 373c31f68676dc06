"""Results of the checks of `tracebot doctor`."""

from collections.abc import Iterator
from dataclasses import dataclass

WELL, WARNING, WRONG = "✓", "⚠", "✗"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of one check. `advice` says what to do; it is empty if nothing needs doing."""

    mark: str
    what: str
    found: str
    advice: str = ""


Findings = Iterator[Finding]
