"""Strings and docstrings are plain English, without phrases that readers stumble over."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PACKAGES = ("bot", "reports", "storage")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

PHRASES = {
    r"(?<![Tt]here )\b(is|are|was|were) no (?!longer\b|more\b)\w": 'write "is not a …"',
    r"\b(is|are|was|were) not to be\b": 'write "cannot be …"',
    r"\b(is|are) to be had\b": 'write "is available"',
    r"\bwhere there (is|are) (no|none)\b": 'write "if there is none"',
    r"\bknows? nothing of\b": 'write "does not depend on …"',
    r"\bmakes? no sense of\b": 'write "cannot read …"',
    r"\bof (its|their|our|one's) own making\b": "leave it out",
    r"(^|[.:;,] )[Ww]ho(ever|mever)\b": "name the person",
    r"\bknows? by heart\b": 'write "keeps in memory"',
}
"""Patterns, and what to write instead."""

OPENING = re.compile(r"\s*(What|Who|Whose|Where|Whether|Whoever|Whatever|That)\b")


def strings(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each string, docstrings and parts of f-strings included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, " ".join(node.value.split())


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each docstring, those below constants and fields included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.lineno, str(node.value.value)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_text_uses_a_phrase_that_readers_stumble_over(path: Path) -> None:
    found = [
        f"line {line}: {text[:100]!r}: {advice}"
        for line, text in strings(path)
        for pattern, advice in PHRASES.items()
        if re.search(pattern, text)
    ]
    assert found == [], "\n".join(found)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_docstring_begins_with_a_question_word(path: Path) -> None:
    found = [
        f"line {line}: {text[:100]!r}" for line, text in docstrings(path) if OPENING.match(text)
    ]
    assert found == [], "\n".join(found)
