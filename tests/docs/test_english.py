"""Strings and docstrings are plain English, without phrases that readers stumble over."""

import ast
import re
from functools import cache
from pathlib import Path

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


@cache
def strings(path: Path) -> tuple[tuple[int, str, bool], ...]:
    """Return the line and the text of each string, and if it is a docstring.

    Strings include parts of f-strings; docstrings include those below constants and fields.
    """
    nodes = tuple(ast.walk(ast.parse(path.read_text())))
    alone = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    return tuple(
        (node.lineno, " ".join(node.value.split()), id(node) in alone)
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def place(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


# One test for all files: a test for each would take longer than to read it, in every worker.
def test_no_text_uses_a_phrase_that_readers_stumble_over() -> None:
    found = [
        f"{place(path, line)}: {text[:100]!r}: {advice}"
        for path in FILES
        for line, text, _ in strings(path)
        for pattern, advice in PHRASES.items()
        if re.search(pattern, text)
    ]
    assert found == [], "\n".join(found)


def test_no_docstring_begins_with_a_question_word() -> None:
    found = [
        f"{place(path, line)}: {text[:100]!r}"
        for path in FILES
        for line, text, is_docstring in strings(path)
        if is_docstring and OPENING.match(text)
    ]
    assert found == [], "\n".join(found)
