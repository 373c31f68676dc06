"""Lay out styled text for a terminal: paragraphs, and tables that fit any width.

No number is cut or wrapped. If a table is too wide, columns that can be spared are left out, and
named below it; then drawings and text make room. If numbers are too wide without any text, or text
would become a tower of words, each row becomes a list of all its cells. Only the widths of letters
are rich's: its tables alone took a third of the time of `tracebot ls`.
"""

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import cast

Piece = tuple[str, str]
"""Text and its style, one of `STYLES` or none."""
Line = Sequence[Piece]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A line that is drawn as wide as its column, such as a bar; `natural` if there is room."""

    draw: Callable[[int], Line]
    natural: int


Cell = str | Sequence[Piece] | Drawing

STYLES = {"": ""} | {
    "bold": "\x1b[1m",
    "red": "\x1b[31m",
    "green": "\x1b[32m",
    "yellow": "\x1b[33m",
    "cyan": "\x1b[36m",
    "grey": "\x1b[90m",
}
RESET = "\x1b[0m"

GAP = 2
"""Spaces between two columns."""
NARROWEST = 8
LONGEST_WORD = 16
"""Text makes room for the other columns to so many letters, and to its longest word up to here."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: of text, which may be wrapped, of drawings, or of numbers."""

    name: str = ""
    wraps: bool = False
    right: bool = False
    drawn: bool = False
    spare: int = 0
    """Columns with the highest number are left out first, those with 0 never."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells, without lines. Names of columns are shown if any has one.

    A table that goes on with another one is not `headed`, but as wide as if it were.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    headed: bool = True


Part = Cell | Table


def layout(
    parts: Iterable[Part], *, width: int | None, colour: bool, encoding: str | None = None
) -> str:
    """Return lines of at most `width` columns, with escape codes only if `colour` is set.

    Without a width, nothing is wrapped. With an `encoding`, every character is one of it: this is
    the place, because what replaces a character may be wider.
    """
    if encoding:
        parts = [_encoded(part, encoding) for part in parts]
    lines = (line for part in parts for line in _lines(part, width or sys.maxsize))
    return "\n".join(_coded(line, colour).rstrip() for line in lines)


def _coded(line: Line, colour: bool) -> str:
    if not colour:
        return "".join(text for text, _ in line)
    return "".join(f"{STYLES[style]}{text}{RESET}" if style else text for text, style in line)


def _encoded(part: Part, encoding: str) -> Part:
    from reports.render.marks import in_encoding  # Here, because hardly any terminal needs it.

    if isinstance(part, str):
        return in_encoding(part, encoding)
    if isinstance(part, Drawing):
        return replace(part, draw=lambda width: _pieces_encoded(part.draw(width), encoding))
    if not isinstance(part, Table):
        return _pieces_encoded(part, encoding)
    return Table(
        columns=[replace(each, name=in_encoding(each.name, encoding)) for each in part.columns],
        rows=[[cast("Cell", _encoded(cell, encoding)) for cell in row] for row in part.rows],
        headed=part.headed,
    )


def _pieces_encoded(pieces: Iterable[Piece], encoding: str) -> Line:
    from reports.render.marks import in_encoding

    return [(in_encoding(text, encoding), style) for text, style in pieces]


def _lines(part: Part, width: int) -> Iterable[Line]:
    return _table(part, width) if isinstance(part, Table) else _paragraph(part, width)


def _table(table: Table, width: int) -> list[Line]:
    places = list(range(len(table.columns)))
    while (lines := _in_columns(_only(table, places), width)) is None:
        spare = max(places, key=lambda n: table.columns[n].spare)
        if not table.columns[spare].spare:
            return [line for row in table.rows for line in _listed(table.columns, row, width)]
        places.remove(spare)
    left_out = [column.name for n, column in enumerate(table.columns) if n not in places]
    if left_out:
        lines += _paragraph([(f"A wider window also shows {', '.join(left_out)}.", "grey")], width)
    return lines


def _only(table: Table, places: Sequence[int]) -> Table:
    columns = [table.columns[n] for n in places]
    return replace(table, columns=columns, rows=[[row[n] for n in places] for row in table.rows])


def _in_columns(table: Table, width: int) -> list[Line] | None:
    """Return the lines of a table; None if it is too wide.

    That is if a column can still be spared, numbers do not fit, or text would be a tower of words.
    """
    names = [[(column.name, "bold")] for column in table.columns]
    rows = [names, *table.rows] if any(column.name for column in table.columns) else table.rows
    natural = [max(map(_widest_line, cells), default=0) for cells in zip(*rows, strict=True)]
    room = width - GAP * (len(natural) - 1)
    widths: Sequence[int] | None = natural
    if sum(natural) > room:
        if any(column.spare for column in table.columns):
            return None
        words = [max(NARROWEST, *map(_longest_word, cells)) for cells in zip(*rows, strict=True)]
        widths = _fitted(table.columns, natural, words, room)
    if widths is None:
        return None
    shown = rows if table.headed else table.rows
    lines = [line for row in shown for line in _row(table.columns, row, widths)]
    # A drawing compares rows, which a list cannot.
    if widths == natural or any(column.drawn for column in table.columns):
        return lines
    in_list = [line for row in table.rows for line in _listed(table.columns, row, width)]
    return None if len(lines) > 2 * len(in_list) else lines


def _fitted(
    columns: Sequence[Column], natural: Sequence[int], words: Sequence[int], room: int
) -> Sequence[int] | None:
    """Return the widths of the columns; None if they do not fit.

    Drawings shrink first, but to no less than a quarter of the room; then the longest text does, to
    no less than its longest word in *words*.
    """
    widths = list(natural)
    flexible = [n for n, column in enumerate(columns) if column.wraps or column.drawn]
    drawn = [n for n in flexible if columns[n].drawn]
    quarter = [max(room // 4, NARROWEST)] * len(columns)
    for shrinking, least in ((drawn, quarter), (flexible, words)):
        while (excess := sum(widths) - room) > 0:
            wide = [n for n in shrinking if widths[n] > least[n]]
            if not wide:
                break
            widest = max(wide, key=widths.__getitem__)
            next_widest = max((widths[n] for n in wide if n != widest), default=0)
            least_now = max(least[widest], min(next_widest, widths[widest] - 1))
            widths[widest] = max(widths[widest] - excess, least_now)
    return widths if sum(widths) <= room else None


def _row(columns: Sequence[Column], row: Sequence[Cell], widths: Sequence[int]) -> Iterator[Line]:
    cells = [list(_paragraph(cell, width)) for cell, width in zip(row, widths, strict=True)]
    for lines in zip_longest(*cells, fillvalue=()):
        made: list[Piece] = []
        for column, width, line in zip(columns, widths, lines, strict=True):
            padding = " " * (width - sum(width_of(text) for text, _ in line))
            made += [(padding, ""), *line] if column.right else [*line, (padding, "")]
            made.append((" " * GAP, ""))
        yield made


def _listed(columns: Sequence[Column], row: Sequence[Cell], width: int) -> Iterator[Line]:
    """Yield a row that is too wide for a table: its cells with their names, not broken if short."""
    line: list[Piece] = []
    for column, cell in zip(columns, row, strict=True):
        name = [(f"{column.name} ", "grey")] if column.name else []
        item = [*name, *_pieces(cell)]
        if not _widest_line(cell):
            continue
        if line and _widest_line([*line, *item]) > width:
            yield from _paragraph(line, width)
            line = [(" " * GAP, "")]
        line += [*item, (" " * GAP, "")]
    yield from _paragraph(line, width)


def _paragraph(cell: Cell | Iterable[Piece], width: int) -> Iterator[Line]:
    if isinstance(cell, Drawing):
        yield cell.draw(width)
        return
    pieces = list(_pieces(cell))
    text = "".join(piece for piece, _ in pieces)
    for indent, start, end in _wrapped(text, max(width, 1)):
        yield [(" " * indent, ""), *_between(pieces, start, end)]


def _pieces(cell: Cell | Iterable[Piece]) -> Iterable[Piece]:
    if isinstance(cell, Drawing):
        return cell.draw(NARROWEST)
    return [(cell, "")] if isinstance(cell, str) else cell


def _between(pieces: Iterable[Piece], start: int, end: int) -> Iterator[Piece]:
    for text, style in pieces:
        if start < len(text) and end > 0:
            yield text[max(start, 0) : end], style
        start -= len(text)
        end -= len(text)


def _wrapped(text: str, width: int) -> Iterator[tuple[int, int, int]]:
    """Yield the margin, start and end of each line of a text that is at most `width` wide.

    A line ends between two words, and within a word only if that is longer than a line. The next
    ones are indented as much as the first.
    """
    at = 0
    for line in text.split("\n"):
        for margin, start, end in _wrapped_line(line, width):
            yield margin, at + start, at + end
        at += len(line) + 1


def _wrapped_line(line: str, width: int) -> Iterator[tuple[int, int, int]]:
    indent = min(len(line) - len(line.lstrip(" ")), width // 2)
    margin = start = used = 0
    for found in re.finditer(r"\s*\S+", line):
        begin, word = found.start(), found[0]
        if used and used + width_of(word) > width:
            yield margin, start, begin
            word = word.lstrip()
            begin = start = found.end() - len(word)
            margin = used = indent
        while width_of(word) > width - used:
            beginning = _beginning(word, width - used)
            begin += len(beginning)
            yield margin, start, begin
            word = word[len(beginning) :]
            start = begin
            margin = used = indent
        used += width_of(word)
    yield margin, start, len(line.rstrip())


def _beginning(word: str, width: int) -> str:
    """Return what of a word fits into `width` columns, and at least one letter."""
    if word.isascii():
        return word[:width]
    from rich.cells import chop_cells

    return chop_cells(word, width)[0] or word[:1]


def _widest_line(cell: Cell) -> int:
    if isinstance(cell, Drawing):
        return cell.natural
    text = "".join(piece for piece, _ in _pieces(cell))
    return max(map(width_of, text.split("\n")))


def _longest_word(cell: Cell) -> int:
    """Return the width to which the text of a cell may shrink."""
    if isinstance(cell, Drawing):
        return NARROWEST
    words = "".join(piece for piece, _ in _pieces(cell)).split()
    return min(max(map(width_of, words), default=0), LONGEST_WORD)


def width_of(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)
