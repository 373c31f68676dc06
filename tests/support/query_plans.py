"""Say how a database answers a query."""

from storage.database.base import Database


def plan_of(database: Database, query: object) -> str:
    sql, values = database.get_sql_context().sql(query).query()
    with database.time_limit(9):
        explain = "EXPLAIN" if database.on_server else "EXPLAIN QUERY PLAN"
        return str(database.fetch(f"{explain} {sql}", values))
