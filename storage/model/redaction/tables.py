"""Secrets in the cells below the heading of a password, in Markdown, CSV and TSV."""

from collections import defaultdict, deque
from collections.abc import Collection, Iterator, Sequence

from storage.model.redaction.languages import PASSWORDS
from storage.model.redaction.patterns import Finders, Pattern, Range, ValuePattern
from storage.model.redaction.values import is_path, looks_chosen, looks_random

MOST_ROWS = 100

Heading = tuple[int, Sequence[int]]
"""The start of the rows below a heading, and its columns that hold secrets."""

_KEYS = r"(?:api|access|secret)[_ -]?key|token"
_NAME = rf"(?:{PASSWORDS}|{_KEYS})"
_heading = Pattern(
    r"(?im:^(?P<heading>(?:[^\n|,;\t]*[|,;\t]){0,12}[ \t*\"']*(?:[a-z]{1,12}[_ ])?"
    rf"{_NAME}[ \t*\"']*(?:[|,;\t][^\n]{{0,300}})?)\n)"
)
_column = Pattern(rf"(?i)^(?:[a-z]+[_ ])?{_NAME}$")
_MARK = ValuePattern(r"[|,;\t]")

_HEADED = rf"(?i:{_NAME}[*\"' \t]*[|,;\t\n])"
# The words for passwords are hints of `chat`, whatever follows them.
HINTS = (rf"(?i:(?:{_KEYS})[*\"' \t]*[|,;\t\n])",)


def tables(text: str) -> Iterator[Range]:
    """Yield the cells below the names of secrets."""
    below: defaultdict[tuple[str, int], deque[Heading]] = defaultdict(deque)
    for found in _heading.finditer(text):
        start, end = found["heading"]
        separator = _MARK.search(text[start:end])
        if separator is None:
            continue
        columns = [cell.strip(" \t*\"'\r") for cell in text[start:end].split(separator[0])]
        secret = [number for number, name in enumerate(columns) if _column.in_text(name)]
        below[separator[0], len(columns)].append((end + 1, secret))
    for (mark, width), headings in below.items():
        for row_start, cells, hidden in _below(text, headings, mark, width):
            for number in hidden:
                value = cells[number].strip(" \t*\"'`\r")
                if (looks_chosen(value) or looks_random(value)) and not is_path(value):
                    before = sum(len(cell) + 1 for cell in cells[:number])
                    first = row_start + before + cells[number].index(value)
                    yield first, first + len(value)


def _below(
    text: str, headings: deque[Heading], mark: str, columns: int
) -> Iterator[tuple[int, list[str], Collection[int]]]:
    """Yield where each row begins, its cells, and the columns of secrets among them.

    Each row is read once: a heading among the rows of another one adds its columns to these.
    """
    while headings:
        start, secret = headings.popleft()
        left = dict.fromkeys(secret, MOST_ROWS)
        for row_start, cells in _rows(text, start, mark, columns):
            if headings and headings[0][0] == row_start:
                left |= dict.fromkeys(headings.popleft()[1], MOST_ROWS)
            yield row_start, cells, left
            left = {number: rows - 1 for number, rows in left.items() if rows > 1}
            if not left:
                break


def _rows(text: str, start: int, mark: str, columns: int) -> Iterator[tuple[int, list[str]]]:
    """Yield where each row begins, and its cells, as long as there are as many as names."""
    while True:
        end = text.find("\n", start)
        cells = text[start : end if end >= 0 else len(text)].split(mark)
        if len(cells) != columns:
            return
        yield start, cells
        if end < 0:
            return
        start = end + 1


# The pattern of a heading has too many states to be searched for along with others.
FINDERS: Finders = {tables: (_HEADED,)}
