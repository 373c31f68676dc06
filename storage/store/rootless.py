"""Count the traces of other programs whose root never comes.

A trace counts through its root. That of a trace which began elsewhere, as behind a gateway or in a
browser, may be sent nowhere or to somebody else. What stands for it in the summary is counted in
its place, once nothing has come for a while (`storage.otlp.correlation`).
"""

from collections.abc import Sequence
from typing import Any

from storage.database.base import Database
from storage.database.statements import LookUp
from storage.database.transactions import transaction
from storage.model.span import Span
from storage.store.facts import add_facts
from storage.store.rollups import additions
from storage.store.trace_summaries import COUNTED, ENTRY, RECEIVED

AT_A_TIME = 500
"""Traces in one transaction."""

PATIENCE_S = 1.0
"""How long it waits for other writers."""


def count_rootless(database: Database, trace_ids: Sequence[str]) -> None:
    """Count those of the traces that have ended and have no root. Later calls change nothing."""
    for start in range(0, len(trace_ids), AT_A_TIME):
        some = trace_ids[start : start + AT_A_TIME]
        with transaction(database, deadline=PATIENCE_S, of=some):
            rows = TAKE.rows(database, [(trace_id,) for trace_id in some])
            add_facts(database, additions(map(_root, rows)))


def _root(row: Sequence[Any]) -> Span:
    trace_id, name, started_at, status, ended_at, duration_ns, agent = row
    return Span(
        trace_id,
        span_id="",
        name=name,
        started_at=started_at,
        status=status,
        ended_at=ended_at,
        duration_ns=duration_ns,
        platform=RECEIVED,
        agent=agent,
    )


TAKE = LookUp(
    f"UPDATE traces SET rooted = {COUNTED} "
    f"WHERE trace_id {{is_one}} AND rooted = {ENTRY} AND platform = '{RECEIVED}' "
    "AND duration_ns IS NOT NULL "
    "RETURNING trace_id, name, started_at, status, ended_at, duration_ns, agent",
    at_a_time=50,
)
