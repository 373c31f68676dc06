"""Cursors: places in a list of traces, from which it goes on with older or with newer ones."""

import re
from dataclasses import dataclass
from typing import Any

from peewee import Tuple

from storage.database.models import TraceRow

NEWER = "newer-"


class BadCursor(ValueError):
    """The cursor does not come from an earlier page."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The place of a trace. The page holds those before it in time, or if `newer`, those after."""

    started_at: int
    trace_id: str
    newer: bool = False

    def __str__(self) -> str:
        return f"{NEWER if self.newer else ''}{self.started_at}-{self.trace_id}"


def parse_cursor(text: str) -> Cursor:
    """Read what `str` wrote. Raises `BadCursor`."""
    started_at, _, trace_id = text.removeprefix(NEWER).partition("-")
    is_time = re.fullmatch(r"\d{1,19}", started_at) and int(started_at) < 2**63
    if not (is_time and trace_id):
        raise BadCursor(f"{text!r} is not a cursor: use the one from the previous page.")
    return Cursor(int(started_at), trace_id, newer=text.startswith(NEWER))


def beyond(cursor: Cursor) -> Any:
    """Build the condition of the traces of a cursor's pages."""
    # One comparison of rows, by which both databases begin to read an index at the cursor. SQLite
    # would answer two conditions joined by *or* from two indexes, and sort all older traces.
    traces = Tuple(TraceRow.started_at, TraceRow.trace_id)
    place = Tuple(cursor.started_at, cursor.trace_id)
    return traces > place if cursor.newer else traces < place


OLDEST_FIRST = (TraceRow.started_at.asc(), TraceRow.trace_id.asc())
NEWEST_FIRST = (TraceRow.started_at.desc(), TraceRow.trace_id.desc())
"""The orders of traces. Of those that began together, the id decides on each database alike."""


def nearest_first(*, newer: bool) -> tuple[Any, Any]:
    """Return the order of traces in which those nearest to a cursor come first."""
    return OLDEST_FIRST if newer else NEWEST_FIRST
