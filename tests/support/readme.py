"""README, and the parts of it that show what commands write."""

import re

from tests.support.paths import ROOT

README = (ROOT / "README.md").read_text()


def part(name: str) -> str:
    """Return the part of README between the marks of this name."""
    return README.partition(f"<!-- {name} -->\n")[2].partition(f"<!-- /{name} -->")[0]


def alike(output: str) -> str:
    """Return an output without its ids and durations, and without empty lines."""
    for pattern, instead in (
        (r"\b[0-9a-f]{16}([0-9a-f]{16})?\b", "ID"),
        (r"[\d.]+ (?:µs|ms|s)\b", "TIME"),
        (r"[█·]{2,}", "BAR"),
        (r" +", " "),
        (r"\n\n+", "\n"),
    ):
        output = re.sub(pattern, instead, output)
    return output.strip()
