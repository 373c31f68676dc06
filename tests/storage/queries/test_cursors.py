"""The next page of a list is read from its place in an index, however many traces there are."""

from storage.database.base import Database
from storage.database.models import TraceRow
from storage.queries.cursors import Cursor, beyond, nearest_first


def test_a_page_begins_at_its_cursor_in_the_index(database: Database) -> None:
    ids = TraceRow.select(TraceRow.trace_id).where(TraceRow.started_at >= 0)
    page = ids.where(beyond(Cursor(5, "a"))).order_by(*nearest_first(newer=False)).limit(20)
    sql, values = database.get_sql_context().sql(page).query()
    with database.time_limit(9):
        explain = "EXPLAIN" if database.on_server else "EXPLAIN QUERY PLAN"
        plan = str(database.fetch(f"{explain} {sql}", values))
    at_cursor = "(started_at <= '5'" if database.on_server else "started_at>? AND started_at<?"
    assert at_cursor in plan and "MULTI-INDEX OR" not in plan, plan
