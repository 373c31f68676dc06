"""The table at the end of docs/explanation/security.md: each promise is kept, and has tests."""

import re
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "explanation" / "security.md"
PROMISES, TABLE = PAGE.read_text(encoding="utf-8").split("\n## Tests\n")
ROWS = re.findall(r"^\| (?!promise)(.+) \| `(\S+\.py)`: (.+) \|$", TABLE, re.M)


def plain(markdown: str) -> str:
    """Return the words of `markdown`, without links, emphasis and line breaks."""
    linked = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", markdown)
    return " ".join(re.sub(r"[*`]", "", linked).split())


def test_each_section_of_promises_has_tests() -> None:
    sections = re.findall(r"^## (.+)$", PROMISES, re.M)
    described = sections[sections.index("What we do not promise") + 1 :]
    assert re.findall(r"^\*\*(.+)\*\*$", TABLE, re.M) == described
    assert len(ROWS) == len(re.findall(r"^\| (?!promise)", TABLE, re.M)) > 80


@pytest.mark.parametrize(("promise", "file", "tests"), ROWS, ids=[row[0][:40] for row in ROWS])
def test_a_promise_is_made_and_its_tests_exist(promise: str, file: str, tests: str) -> None:
    assert plain(promise) in plain(PROMISES)
    source = Path(ROOT / "tests" / file).read_text(encoding="utf-8")
    names = re.findall(r"`(\w+)`", tests)
    assert names and [name for name in names if f"def {name}(" not in source] == []
