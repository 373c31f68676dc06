"""Keep the `|` of code in a table from ending its cell.

A row is split into cells before its code is looked for: of `| a | `x | y` |` in a table of two
columns the rest is lost. Models write it all the same. Behind a backslash the `|` is part of the
code, and the backslash is not shown.
"""

import re
from collections.abc import Iterator

from bot.replies.text.markdown import block_tokens

_CODE = re.compile(r"(?<![`\\])(`+)(?!`)(.+?)(?<!`)\1(?!`)")
_PIPE = re.compile(r"(?<!\\)\|")

OPEN_ROW = re.compile(r"^ {0,3}\|[^\n]*`[^\n]*\Z", re.MULTILINE)
"""A row at the end of a text that grows, whose code may not have ended yet."""


def with_whole_cells(text: str) -> str:
    """Return *text* with rows that have too many cells because of their code mended."""
    if not (_PIPE.search(text) and "`" in text):
        return text
    lines = text.split("\n")
    for number, columns in _rows(text, lines):
        row = lines[number]
        mended = _CODE.sub(lambda code: _PIPE.sub(r"\\|", code[0]), row)
        if _cells(row) > columns == _cells(mended):
            lines[number] = mended
    return "\n".join(lines)


def _rows(text: str, lines: list[str]) -> Iterator[tuple[int, int]]:
    """Yield the number of the line of each row, and how many columns its table has."""
    for token in block_tokens(text):
        if token.type == "table_open" and token.map and token.level == 0:
            start, end = token.map
            columns = _cells(lines[start + 1])
            yield from ((number, columns) for number in range(start + 2, end))


def _cells(row: str) -> int:
    row = row.strip().removeprefix("|")
    return len(_PIPE.findall(row.removesuffix("|"))) + 1
