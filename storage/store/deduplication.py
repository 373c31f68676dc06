"""Store received spans once, however often they are sent.

In: the spans of a batch, in its transaction. Out: those that are new. `storage.store.usage`, which
is next, counts their tokens and cost once.
"""

from collections.abc import Callable, Sequence
from operator import attrgetter

from storage.database.base import Database
from storage.database.statements import LookUp
from storage.model.span import Span

Key = tuple[str, str]
"""A trace id and a span id."""

key_of: Callable[[Span], Key] = attrgetter("trace_id", "span_id")


def unseen(database: Database, spans: Sequence[Span]) -> tuple[Sequence[Span], set[Key]]:
    """Return `spans` without received ones that are stored, are ours, or come twice among them.

    A span that was received while it ran is replaced by its ended form. The keys of those that were
    stored as running are returned, too.
    """
    if not any(span.received for span in spans):
        return spans, set()
    stored = _stored(database, [key_of(span) for span in spans if span.received])
    ours = {key_of(span) for span in spans if not span.received}
    running = {key for key, is_running in stored.items() if is_running} - ours
    seen = (stored.keys() - running) | ours
    resumed: set[Key] = set()
    fresh: list[Span] = []
    places: dict[Key, int] = {}
    for span in spans:
        key = key_of(span)
        if not span.received:
            fresh.append(span)
        elif key in places and fresh[places[key]].status == "running":
            fresh[places[key]] = span
        elif key not in seen and not (key in running and span.status == "running"):
            if key in running:
                resumed.add(key)
            seen.add(key)
            places[key] = len(fresh)
            fresh.append(span)
    return fresh, resumed


def _stored(database: Database, keys: Sequence[Key]) -> dict[Key, bool]:
    """Return which of the spans are stored, and whether it is the form of a received, running one.

    Nobody can send the end of a span of ours.
    """
    rows = STORED.rows(database, keys)
    return {
        (trace_id, span_id): status == "running" and process is None
        for trace_id, span_id, status, process in rows
    }


# The cross join makes SQLite look up each key. Otherwise it may scan all spans.
STORED = LookUp(
    "SELECT spans.trace_id, spans.span_id, spans.status, spans.process "
    "FROM {keys} CROSS JOIN {spans} WHERE spans.trace_id = column1 AND spans.span_id = column2",
    types=("text", "text"),
    at_a_time=250,
)
