"""Convert an active span to the value that is stored. Runs on the writer's thread.

Most spans have the same shape as many others: the same attribute names and types. Which attribute
fills which column is worked out once for each shape and remembered.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from operator import itemgetter
from typing import Any, NamedTuple

from storage.model.prices import (
    COSTS,
    are_loaded,
    estimated_cost,
    load_in_background,
    take_reported_cost,
)
from storage.model.semconv import (
    ATTRIBUTES,
    CACHE_WRITE,
    INTEGERS,
    NAMELESS,
    OF_SEVERAL,
    OPERATION,
    REASONING,
    REQUEST_MODEL,
    TOTAL,
    field_of,
    is_older,
    measured_field,
    usage_name,
)
from storage.model.span import Span
from storage.model.token_counts import DETAILS, HIGHEST, count_of, detailed_tokens, whole_usage
from storage.tracing.recording_span import RecordingSpan
from storage.tracing.values import text_of


class _Plan(NamedTuple):
    """Map the attributes of one shape to the columns that they fill."""

    columns: Callable[[Sequence[Any]], tuple[Any, ...]]
    """Pick the columns' values from all values, followed by a None for empty columns."""
    texts: bool
    """True if the picked values are all strings or None, so that none needs converting."""
    rest: tuple[str, ...]
    """The names of what stays an attribute."""
    parts: Mapping[str, Sequence[str]]
    """Names of the tokens of PARTS: the conventional one, and those among `rest`."""
    priced: bool
    """True if there may be a cost in it, or one can be estimated."""
    detailed: bool
    """True if an attribute has tokens by kind."""


COLUMNS = tuple(item.name for item in fields(Span) if item.name in ATTRIBUTES)
"""The fields of a span that attributes fill, in the order of its fields."""

PARTS = (CACHE_WRITE, REASONING, TOTAL)
"""Counts of tokens that have no column of their own."""

MAX_PLANS = 1_000
"""Shapes remembered. A plain dict that starts again: an LRU cache costs more than it saves here."""

_NONE: Mapping[str, Any] = {}
_new_span: Callable[..., Span] = Span
_plans: dict[tuple[Any, ...], _Plan] = {}


def to_span(active: RecordingSpan, *, process: str, ended: bool) -> Span:
    """Return the value to store: the span as it is now, as running unless `ended`.

    The caller decides whether the span has ended, because it may end while this runs. Texts are as
    they were recorded: `storage.store.span_rows` makes them storable when it searches for secrets.
    """
    if active.scope is None:
        merged = {**active.context, **active.attributes}
        values = (*merged.values(), None)
        shape = (*merged, *map(type, values))
        plan = _plans.get(shape) or _remember(shape, merged)
    else:
        merged, values, plan = _of_library(active.context, active.attributes)
    columns = plan.columns(values)
    if not plan.texts:
        columns = tuple(
            None if value is None else _column(field, value)
            for field, value in zip(COLUMNS, columns, strict=True)
        )
    if active.error is not None:  # The last two columns.
        columns = (*columns[:-2], *_error(active, active.error, columns[-2:]))
    # In the order of the fields: by their names it takes three times as long.
    span = _new_span(
        active.trace_id,
        active.span_id,
        active.name,
        active.started_at,
        active.parent_id,
        active.kind,
        active.status if ended else "running",
        active.ended_at if ended else None,
        active.duration_ns if ended else None,
        *columns,
        {name: merged[name] for name in plan.rest},
        tuple(active.events or ()),
        tuple(active.links or ()),
        active.scope,
        process,
        active.entry,
    )
    if active.scope is not None:
        _keep_names(span, active)
    _finish(span, merged, plan, ended=ended)
    return span


def _of_library(
    inherited: Mapping[str, object], given: Mapping[str, object]
) -> tuple[dict[str, object], tuple[Any, ...], _Plan]:
    """Return the same of the span of another library, whose names may be ours by accident."""
    merged = {**inherited, **given, **inherited}
    values = (*merged.values(), None)
    shape = (*inherited, None, *merged, *map(type, values))
    return merged, values, _plans.get(shape) or _remember(shape, merged, inherited)


def _keep_names(span: Span, active: RecordingSpan) -> None:
    """Keep attributes of a library that have the names of inherited fields."""
    inherited, given = active.context, active.attributes
    if not inherited.keys().isdisjoint(given):
        hidden = {name: value for name, value in given.items() if name in inherited}
        span.attributes = {**hidden, **span.attributes}


def _finish(span: Span, merged: Mapping[str, Any], plan: _Plan, *, ended: bool) -> None:
    """Fill columns from several attributes at once."""
    if span.model in NAMELESS:  # It must not hide the model that was asked for.
        asked = merged.get(REQUEST_MODEL)
        span.model = asked if isinstance(asked, str) and asked not in NAMELESS else None
    if plan.detailed:
        _add_details(span)
    if span.input_tokens is not None and span.configured_provider is None:
        _complete(span, span.input_tokens, plan.parts)
    if plan.priced:
        _price(span, plan.parts, ended=ended)
    if plan.detailed or plan.priced or span.input_tokens is not None:
        _bound(span)


def _error(
    active: RecordingSpan, failed: tuple[str, str], told: tuple[Any, ...]
) -> tuple[str, str]:
    """Return the type and the message of an error. `told` are those that attributes have."""
    error_type, message = failed[0] or told[0], failed[1] or told[1]
    if error_type and message:
        return error_type, message
    events: Sequence[Mapping[str, Any]] = [*(active.events or ())]
    details: list[Mapping[str, Any]] = [event["attributes"] for event in reversed(events)]
    raised = next((each for each in details if "exception.type" in each), _NONE)
    error_type = error_type or text_of(raised.get("exception.type") or "error")
    return error_type, message or text_of(raised.get("exception.message") or "")


def _add_details(span: Span) -> None:
    attributes = dict(span.attributes)
    for name, tokens in detailed_tokens(attributes).items():
        if name not in INTEGERS:
            attributes.setdefault(name, tokens)
        elif getattr(span, name) is None:
            setattr(span, name, tokens)
    span.attributes = attributes


def _complete(span: Span, input_tokens: int, parts: Mapping[str, Sequence[str]]) -> None:
    """Let the input include the cache and the output thoughts, if its library leaves them out."""
    written = _first_count(span.attributes, parts[CACHE_WRITE])
    thoughts = _first_count(span.attributes, parts[REASONING])
    if span.cached_tokens or written or thoughts:
        span.input_tokens, span.output_tokens = whole_usage(
            input_tokens,
            span.output_tokens,
            cached=span.cached_tokens or 0,
            written=written,
            thoughts=thoughts,
            total=_first_count(span.attributes, parts[TOTAL]),
        )


def _bound(span: Span) -> None:
    """Leave out figures that were added up or estimated and are higher than any can be."""
    for name in INTEGERS:
        if (getattr(span, name) or 0) > HIGHEST:
            setattr(span, name, None)
            span.cost_source = None if name == "cost" else span.cost_source


def _first_count(attributes: Mapping[str, Any], names: Sequence[str]) -> int:
    found = (count_of(attributes[name]) for name in names if name in attributes)
    return next(filter(None, found), 0)


def _price(span: Span, parts: Mapping[str, Sequence[str]], *, ended: bool) -> None:
    """Find the cost of a call that another library recorded. Our own attempts have theirs.

    All that is recorded waits for this thread, so it never waits for the prices to be imported,
    which begins while the first call runs.
    """
    if span.cost is not None or span.configured_provider is not None:
        return
    if not ended:
        load_in_background()
        return
    attributes = dict(span.attributes)
    reported = take_reported_cost(attributes)
    if reported is not None:
        if reported <= HIGHEST:  # Otherwise it stays an attribute.
            span.attributes, span.cost, span.cost_source = attributes, reported, "reported"
        return
    if not are_loaded():
        load_in_background()
        return
    span.cost = estimated_cost(
        span.model,
        provider=span.provider,
        input_tokens=span.input_tokens,
        output_tokens=span.output_tokens,
        cached_tokens=span.cached_tokens,
        cache_write_tokens=_first_count(attributes, parts[CACHE_WRITE]),
        at=span.started_at,
        several=attributes.get(OPERATION) in OF_SEVERAL,
    )
    if span.cost is not None:
        span.cost_source = "estimated"


def _remember(
    shape: tuple[Any, ...],
    merged: Mapping[str, object],
    inherited: Mapping[str, object] | None = None,
) -> _Plan:
    """Plan for spans of this shape. Of a library's, only what they inherited has names of ours."""
    if len(_plans) >= MAX_PLANS:
        _plans.clear()
    filled = {
        name: field_of(name) if inherited is None or name in inherited else measured_field(name)
        for name in merged
    }
    plan = _plans[shape] = _plan(merged, filled)
    return plan


def _plan(merged: Mapping[str, object], filled: Mapping[str, str | None]) -> _Plan:
    """Return the plan of a span, whose attributes fill the fields `filled`."""
    places = dict.fromkeys(COLUMNS, len(merged))
    texts = True
    for place, (name, value) in enumerate(merged.items()):
        field = filled[name]
        if field is None or value is None:
            continue
        # An older name neither replaces a conventional one nor, as in the receiver, an earlier one.
        if not is_older(name) or places[field] == len(merged):
            places[field] = place
        texts = texts and type(value) is str and field not in INTEGERS
    rest = tuple(name for name in merged if filled[name] is None)
    return _Plan(
        columns=itemgetter(*places.values()),
        texts=texts,
        rest=rest,
        parts={part: (part, *(n for n in rest if usage_name(n) == part)) for part in PARTS},
        priced=not COSTS.isdisjoint(merged) or places["model"] < len(merged),
        detailed=not DETAILS.isdisjoint(merged),
    )


def _column(field: str, value: object) -> object:
    if field not in INTEGERS:
        return value if isinstance(value, str) else str(value)
    number = count_of(value)
    return None if number is None or number > HIGHEST else number
