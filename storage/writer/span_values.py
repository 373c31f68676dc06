"""An active span as the value that is stored. Runs on the writer's thread, once or twice a span.

Spans of one shape, the names and types of their attributes, are many: which attribute fills which
column is found out once a shape, and remembered.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from operator import itemgetter
from typing import Any, NamedTuple

from storage.model.semconv import ATTRIBUTES, FIELDS, INTEGERS
from storage.model.span import Span
from storage.tracing.active_span import ActiveSpan


class _Plan(NamedTuple):
    """Which attributes of one shape, their names and types, fill which columns."""

    columns: Callable[[Sequence[Any]], tuple[Any, ...]]
    """Takes the columns' values out of all values and a None."""
    texts: bool
    """Whether these are strings, for columns of text, or None."""
    rest: tuple[str, ...]
    """The names that stay attributes."""


COLUMNS = tuple(item.name for item in fields(Span) if item.name in ATTRIBUTES)
"""The fields of a span that attributes fill, in its order."""

MAX_PLANS = 1_000
_new_span: Callable[..., Span] = Span
_plans: dict[tuple[Any, ...], _Plan] = {}


def to_span(active: ActiveSpan, *, process: str) -> Span:
    """The value to store, as the span is now. Called on the writer's thread."""
    merged = {**active.context, **active.attributes}
    values = (*merged.values(), None)
    shape = (*merged, *map(type, values))
    plan = _plans.get(shape) or _remember(shape, merged)
    columns = plan.columns(values)
    if not plan.texts or not _is_storable("".join(filter(None, columns))):
        columns = tuple(
            None if value is None else _column(field, value)
            for field, value in zip(COLUMNS, columns, strict=True)
        )
    if active.error is not None:  # The last two columns.
        columns = (*columns[:-2], *map(storable, active.error))
    # In the order of the fields: by their names it takes three times as long.
    return _new_span(
        active.trace_id,
        active.span_id,
        active.name,
        active.started_at,
        active.parent_id,
        active.kind,
        active.status if active.ended_at is not None else "running",
        active.ended_at,
        active.duration_ns,
        *columns,
        {name: merged[name] for name in plan.rest},
        tuple(active.events or ()),
        tuple(active.links or ()),
        active.scope,
        process,
        active.entry,
    )


def _remember(shape: tuple[Any, ...], merged: Mapping[str, object]) -> _Plan:
    if len(_plans) >= MAX_PLANS:
        _plans.clear()
    plan = _plans[shape] = _plan(merged)
    return plan


def _plan(merged: Mapping[str, object]) -> _Plan:
    places = dict.fromkeys(COLUMNS, len(merged))
    texts = True
    for place, (name, value) in enumerate(merged.items()):
        if name in FIELDS and value is not None:
            places[FIELDS[name]] = place
            texts = texts and type(value) is str and FIELDS[name] not in INTEGERS
    return _Plan(
        columns=itemgetter(*places.values()),
        texts=texts,
        rest=tuple(name for name in merged if name not in FIELDS),
    )


def _column(field: str, value: object) -> object:
    if field not in INTEGERS:
        return storable(value if isinstance(value, str) else str(value))
    try:
        number = int(value)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if abs(number) < 2**63 else None


def storable(text: str) -> str:
    """`text` without what no database takes: lone surrogates and NUL."""
    if _is_storable(text):
        return text
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def _is_storable(text: str) -> bool:
    return text.isascii() and "\0" not in text
