"""Lists are read from an index, and begin at their place in it, however many traces there are."""

from contextlib import closing

import pytest

from storage.database.base import Database
from storage.database.connect import locate
from storage.database.models import TraceRow
from storage.model.filters import Filters
from storage.queries import traces
from storage.queries.cursors import Cursor, beyond, nearest_first
from storage.queries.traces import recent_traces
from tests.support.query_plans import plan_of

# Rows of the tests' server, which commits asynchronously, are not visible to all at once.
MANY_TRACES = """
BEGIN;
SET LOCAL synchronous_commit = on;
INSERT INTO traces
    (trace_id, rooted, status, started_at, span_count, error_count, audience, reason)
SELECT to_char(n, 'FM0000'), 1, 'ok', n, 1, 0, 'T1', repeat('x', 500)
FROM generate_series(1, 3000) AS n;
COMMIT
"""


def test_a_page_begins_at_its_cursor_in_the_index(database: Database) -> None:
    ids = TraceRow.select(TraceRow.trace_id).where(TraceRow.started_at >= 0)
    page = ids.where(beyond(Cursor(5, "a"))).order_by(*nearest_first(newer=False)).limit(20)
    plan = plan_of(database, page)
    at_cursor = "(started_at <= '5'" if database.on_server else "started_at>? AND started_at<?"
    assert at_cursor in plan and "MULTI-INDEX OR" not in plan, plan


@pytest.mark.parametrize("audiences", [None, ("T1", "U1")])
def test_a_server_compares_costs_in_the_index_alone(
    new_postgres_url: str, audiences: tuple[str, ...] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = []
    with closing(locate(new_postgres_url)) as database:
        database.execute_sql(MANY_TRACES)
        database.execute_sql("VACUUM ANALYZE traces")
        monkeypatch.setattr(
            traces, "rows_of", lambda database, query: plans.append(plan_of(database, query)) or []
        )
        recent_traces(database, audiences=audiences, filters=Filters(cost_above=1))
    (plan,) = plans
    assert "Index Only Scan Backward" in plan and "cost > " in plan, plan
