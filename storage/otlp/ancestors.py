"""Walk up from received spans to their ancestors, as far as these are known, in linear time."""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol, TypeVar

from storage.model.span import Span
from storage.model.trace_context import Ids

Together = Mapping[Ids, Span]
"""Spans that came together, by the ids with which they were sent."""


class Linked(Protocol):
    """A span, or what is remembered of one."""

    @property
    def parent_id(self) -> str | None: ...


AnySpan = TypeVar("AnySpan", bound=Linked)


def by_ids(spans: Iterable[Span]) -> dict[Ids, Span]:
    return {(span.trace_id, span.span_id): span for span in spans}


def nearest_above(
    together: Mapping[Ids, AnySpan],
    wanted: Callable[[AnySpan], bool],
    *,
    of: Iterable[Ids],
) -> dict[Ids, AnySpan]:
    """Return for each span in `of` its nearest wanted ancestor, else its topmost one or itself.

    A ring ends where it would come to a span for the second time.
    """
    found: dict[Ids, AnySpan] = {}
    for ids in of:
        path: dict[Ids, None] = {}
        end: AnySpan | None = None
        while end is None:
            path[ids] = None
            above = ids[0], together[ids].parent_id or ""
            if above not in together or above in path:
                end = together[ids]
            elif wanted(together[above]):
                end = together[above]
            else:
                end = found.get(above)
                ids = above
        found |= dict.fromkeys(path, end)
    return found
