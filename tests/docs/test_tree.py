"""The tree of the tests is that of the code, as CONTRIBUTING says."""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.support.paths import ROOT

FROM_A_TEST = re.compile(r"^\s*(?:from|import) tests\.(?:bot|docs|reports|storage)\b", re.M)
REPEATED = "tests/soak/test_fortnight.py"
"""Runs the tests of another module again, on more days."""


def modules() -> Iterator[Path]:
    return (path.relative_to(ROOT) for path in (ROOT / "tests").rglob("*.py"))


def test_helpers_are_not_imported_from_tests() -> None:
    found = {str(path) for path in modules() if FROM_A_TEST.search((ROOT / path).read_text())}
    assert found - {REPEATED} == set()


def test_each_folder_of_tests_is_one_of_the_code() -> None:
    folders = {path.parent.relative_to("tests") for path in modules()}
    ours = {each for each in folders if each.parts[:1] in {("bot",), ("reports",), ("storage",)}}
    assert {str(each) for each in ours if not (ROOT / each).is_dir()} == set()
