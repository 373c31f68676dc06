"""Compile a Peewee query once and run it many times.

Compiling a query takes Peewee a hundred times as long as SQLite takes to insert a row.
"""

from collections.abc import Callable, Container, Sequence
from typing import Any

from storage.database.base import Database


def compiled(query: Any, database: Database) -> str:
    """Return the SQL of a query, with a placeholder for each of its values, in order."""
    sql: str = database.get_sql_context().sql(query).query()[0]
    return sql


def insert(model: Any, names: Sequence[str]) -> Any:
    """Return an INSERT of one row with these columns, in this order."""
    return model.insert_many([("",) * len(names)], fields=[getattr(model, name) for name in names])


class Statement:
    """A statement that is compiled at its first use for each kind of database."""

    def __init__(self, compile: Callable[[Database], str]) -> None:
        self._compile = compile
        self._sql: dict[type[Database], str] = {}

    def sql(self, database: Database) -> str:
        kind = type(database)
        if kind not in self._sql:
            self._sql[kind] = self._compile(database)
        return self._sql[kind]

    def execute_many(
        self,
        database: Database,
        rows: Sequence[Sequence[Any]],
        *,
        stored: Container[Any] | None = None,
    ) -> None:
        """Execute it once for each row. For `stored`, see `Database.execute_many`."""
        if rows:
            database.execute_many(self.sql(database), rows, stored=stored)

    def fetch(self, database: Database, values: Sequence[Any]) -> list[Any]:
        return database.fetch(self.sql(database), values)


class LookUp:
    """A statement that is executed once for many keys.

    In its SQL, a column `{is_one}` of the keys, if a key is one value. In general, `{keys}` is a
    table of them with the columns `column1`, `column2` and so on, and `{spans}` the spans whose
    trace and id are the first two. `types` are those of PostgreSQL. SQLite is given `at_a_time`
    keys.
    """

    def __init__(self, sql: str, *, types: Sequence[str] = ("text",), at_a_time: int) -> None:
        self._sql = sql
        self._types = tuple(types)
        self._at_a_time = at_a_time

    def rows(self, database: Database, keys: Sequence[Sequence[Any]]) -> list[Any]:
        """Return what it returns for any number of keys."""
        if not keys:
            return []
        return database.look_up(self._sql, keys, types=self._types, at_a_time=self._at_a_time)
