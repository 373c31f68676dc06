"""Say of the names in a shell's filters that nothing was ever recorded with them.

In Slack, names are looked up there, and a viewer must not learn which ones are recorded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from storage.model.filters import Filters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storage.database.base import Database

HINTS = {
    "agent": "tracebot stats --by agent lists the agents.",
    "channel": "A shell knows the IDs of channels: tracebot stats --by channel lists them.",
    "user": "A shell knows the IDs of people: tracebot stats --by user lists them.",
}
"""The advice about an unknown name, by the filter that has it. Each has an index of traces."""


def unrecorded(database: Database, filters: Filters, *, now: int) -> Iterator[str]:
    """Yield a sentence for each name that neither traces nor statistics have."""
    for kind, hint in HINTS.items():
        name = getattr(filters, kind)
        if name is not None and not _is_recorded(database, kind, name, now=now):
            yield f"Nothing is recorded for {kind} {name}. {hint}"


def _is_recorded(database: Database, kind: str, name: str, *, now: int) -> bool:
    from storage.queries.statistics import statistics
    from storage.queries.traces import recent_traces

    wanted: dict[str, Any] = {kind: name}
    if recent_traces(database, filters=Filters(**wanted), skipped=True, limit=1).traces:
        return True
    # Statistics outlive the traces that retention removed.
    return bool(statistics(database, since=0, until=now, only=(kind, name)).total.traces)
