"""Secrets in the cells below the heading of a password, in Markdown, CSV and TSV."""

from collections.abc import Iterator

from storage.model.redaction.languages import PASSWORDS
from storage.model.redaction.patterns import Finders, Pattern, Range, ValuePattern
from storage.model.redaction.values import is_path, looks_chosen, looks_random

MOST_ROWS = 100

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
    for found in _heading.finditer(text):
        start, end = found["heading"]
        mark = _MARK.search(text[start:end])
        if mark is None:
            continue
        columns = [cell.strip(" \t*\"'\r") for cell in text[start:end].split(mark[0])]
        secret = [number for number, name in enumerate(columns) if _column.in_text(name)]
        for row_start, cells in _rows(text, end + 1, mark[0], len(columns)):
            for number in secret:
                value = cells[number].strip(" \t*\"'`\r")
                if (looks_chosen(value) or looks_random(value)) and not is_path(value):
                    before = sum(len(cell) + 1 for cell in cells[:number])
                    first = row_start + before + cells[number].index(value)
                    yield first, first + len(value)


def _rows(text: str, start: int, mark: str, columns: int) -> Iterator[tuple[int, list[str]]]:
    """Yield where each row begins, and its cells, as long as there are as many as names."""
    for _ in range(MOST_ROWS):
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
