"""The conditions of `storage.model.filters.Filters` in SQL."""

from typing import Any

from peewee import fn

from storage.database.models import NOT_OK, RATED_DOWN, RATED_UP, TraceRow
from storage.model.filters import EQUAL, Filters


def conditions(filters: Filters) -> list[Any]:
    """Build the conditions of a query of `TraceRow`."""
    wanted = {name: getattr(filters, name) for name in EQUAL}
    made: list[Any] = [
        getattr(TraceRow, name) == value for name, value in wanted.items() if value is not None
    ]
    if filters.status not in (None, "ok"):
        made.append(NOT_OK)
    for name, value in filters.without:
        column = getattr(TraceRow, name)
        made.append(column.is_null() | (column != value))
    if filters.feedback is not None:
        made.append({"up": RATED_UP, "down": RATED_DOWN}[filters.feedback])
    return [*made, *_compared(filters)]


def _compared(filters: Filters) -> list[Any]:
    tokens = fn.COALESCE(TraceRow.input_tokens, 0) + fn.COALESCE(TraceRow.output_tokens, 0)
    known = TraceRow.input_tokens.is_null(False) | TraceRow.output_tokens.is_null(False)
    made = [
        *_between(TraceRow.cost, filters.cost_above, filters.cost_below),
        *_between(TraceRow.duration_ns, filters.duration_above, filters.duration_below),
        *_between(tokens, filters.tokens_above, filters.tokens_below),
    ]
    return [*made, known] if filters.tokens_below is not None else made


def _between(value: Any, above: int | None, below: int | None) -> list[Any]:
    over = [value > above] if above is not None else []
    return [*over, value < below] if below is not None else over
