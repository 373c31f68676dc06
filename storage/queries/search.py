"""Find the newest traces that contain all words of a search.

What is found was read and compared (`storage.model.search_words`). The full-text index only says
which traces to read; without one, all are read.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from peewee import JOIN, SQL, Join, Select, ValuesList

from storage.database.base import Database
from storage.database.driver import translate_errors
from storage.database.models import TraceRow
from storage.model.search_words import SearchWords
from storage.queries.cursors import Cursor, beyond
from storage.store.search_index import condition, has_index, key, matching, queued

COLUMNS = ("trace_id", "started_at", "name", "text", "agent", "error_message")
"""The first columns of each row: those that order traces, then those that are compared."""

FIRST_READ, MOST_READ = 64, 1_024
"""How many traces are read at once, at first and at most."""

SHARE = 0.05
"""The newest traces are read without the index as long as so many of them match."""

FEW = 300
"""So many traces of the index are looked up one by one, in a few milliseconds."""

BEHIND = 2_000
"""The index is not used while so many traces wait to be added to it."""

_QUEUE = SQL("(SELECT trace AS id FROM search_queue)").alias("candidates")

Row = tuple[Any, ...]


class Newest(Protocol):
    """Build the query of the newest traces that match these conditions and all other filters.

    `since` is the earliest start. SQLite looks at one such condition only, so it is not a further
    one.
    """

    def __call__(self, *conditions: Any, since: int = 0, limit: int) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A search for the newest `count` traces. `newest` selects columns that begin with `COLUMNS`.

    `newest_seen` is the same query, for conditions that many traces meet of which few may be seen.
    """

    database: Database
    words: SearchWords
    count: int
    newest: Newest
    newest_seen: Newest
    newer: bool = False
    """True if both queries begin with the oldest traces, and these are to be found."""

    def can_use_index(self) -> bool:
        return has_index(self.database) and queued(self.database, at_most=BEHIND) < BEHIND

    def read(self, *, since: int) -> list[Row]:
        """Read the traces that began at this time or later."""
        return self._read(self.newest, since=since, size=FIRST_READ)[0]

    def ask_index(self, *, recent: int) -> list[Row]:
        """Read the traces that the index names.

        Common words are found sooner in the newest traces, so those that began at `recent` or later
        are read first, until the words turn out to be rare. 0 stands for all.
        """
        found, done = self._read(self.newest, since=recent, size=FIRST_READ, share=SHARE)
        if len(found) == self.count or (done and not recent):
            return found
        # The queue first: what leaves it now is then found in the index, or in both.
        waiting, _ = self._read(self._among(_QUEUE), size=FIRST_READ)
        rows = {row[0]: row for row in (*waiting, *self._indexed())}.values()
        ordered = sorted(rows, key=lambda row: (row[1], row[0]), reverse=not self.newer)
        return ordered[: self.count]

    def _indexed(self) -> list[Row]:
        match, in_index = condition(self.database, self.words), matching(self.database)
        some = self.database.execute_sql(f"{in_index} LIMIT {FEW + 1}", (match,)).fetchall()
        if not some:
            return []
        if len(some) <= FEW:
            # Not the condition again: PostgreSQL would guess how many meet it, and read all traces.
            ids = ValuesList(some, alias="ids")
            candidates = Select([ids], [SQL("column1 AS id")]).alias("candidates")
            return self._read(self._among(candidates), size=FIRST_READ)[0]
        # The plus sign keeps SQLite from looking up each of these traces.
        own = key(self.database) if self.database.on_server else f"+{key(self.database)}"
        is_one = SQL(f"{own} IN ({in_index})", [match])
        return self._read(self.newest_seen, is_one, size=self.count)[0]

    def _among(self, candidates: Any) -> Newest:
        def newest(*conditions: Any, since: int = 0, limit: int) -> Any:
            is_one = SQL(f"{key(self.database)} = id")
            query = self.newest(is_one, *conditions, since=since, limit=limit)
            # CROSS tells SQLite to begin with the candidates, whatever the other filters are.
            return query.from_(Join(candidates, TraceRow, JOIN.CROSS))

        return newest

    def _read(
        self,
        newest: Newest,
        *conditions: Any,
        since: int = 0,
        size: int,
        share: float = 0.0,
    ) -> tuple[list[Row], bool]:
        """Return the matching traces, and False if reading ended because too few of them match."""
        found: list[Row] = []
        read, rest = 0, conditions
        while True:
            rows = rows_of(self.database, newest(*rest, since=since, limit=size))
            found += (row for row in rows if self.words.match(*row[2:6]))
            read += len(rows)
            if len(rows) < size or len(found) >= self.count:
                return found[: self.count], True
            if len(found) < share * read:
                return found, False
            last = Cursor(rows[-1][1], rows[-1][0], newer=self.newer)
            rest = (*conditions, beyond(last))
            if self.newer:
                since = last.started_at
            size = min(2 * size, MOST_READ)


def rows_of(database: Database, query: Any) -> list[Row]:
    """Return rows as the driver returns them: Peewee's dictionaries take three times as long."""
    with translate_errors:
        rows: list[Row] = database.execute(query).fetchall()
    return rows
