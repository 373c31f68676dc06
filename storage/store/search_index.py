"""Keep the full-text index of the traces' summaries (`storage.model.search_words`) up to date.

The rows of the index have the row ids of the summaries; on a server, which has no FTS5, the ids of
their traces, with the same terms in a `tsvector`. Triggers of the database
(`storage/database/migrations`) take a changed or removed summary out of the index in the
transaction that changes it, and put what is new into `search_queue`. Writers move the queue to the
index about once a second: adding many at once costs a quarter of adding each alone, and most traces
have ended by then, so that they are added once. A search looks through the queue as well.
"""

import json
import math
import time
from typing import TYPE_CHECKING

from storage.database.base import Database
from storage.database.statements import Statement
from storage.database.transactions import transaction

if TYPE_CHECKING:
    from storage.model.search_words import SearchWords

TABLES = ("search_index", "search_queue")

QUEUED = 100
"""How many traces wait until some are added. A search reads them all, in about a millisecond."""

RECENT = 20
"""How many of the newest traces stay in the queue, as they are likely to change."""

RUNNING = 200
"""So many newer ones must there be until a trace is added that runs, as it will change."""

ADDED_AT_ONCE = 100
"""A transaction of about 2 ms."""

ADDED_ON_SERVER = 500
"""The same on a server, where few others wait for it."""

PAGES_AT_ONCE = 100
"""How many pages of the index each transaction of `purge` writes, in about 10 ms."""

TOMBSTONES = 1 << 53
"""Pages of the index from this id on say which of its rows were deleted."""


def has_index(database: Database) -> bool:
    """Return False for a database of an earlier version that is only read."""
    return bool(_EXISTS.fetch(database, ()))


def condition(database: Database, words: "SearchWords") -> str:
    """Return the value for the placeholder of `matching`."""
    return words.tsquery if database.on_server else words.expression


def matching(database: Database) -> str:
    """Return a query of the keys, as `id`, of the traces in the index that meet a condition."""
    return _MATCHING.sql(database)


def key(database: Database) -> str:
    """Return the column of the summaries by which the index knows them."""
    return "trace_id" if database.on_server else "rowid"


def queued(database: Database, *, at_most: int = 2**62) -> int:
    """Return how many traces are not in the index yet, counting no further than `at_most`."""
    return int(_COUNT.fetch(database, (at_most,))[0][0])


def add_all(database: Database, *, until: float = math.inf, deadline: float | None = None) -> bool:
    """Add the queue to the index while it is long, in short transactions.

    Return False if the monotonic time `until` came first. Waits for other writers for at most
    `deadline` seconds in each transaction.
    """
    added = 1
    while added and _is_long(database):
        began = time.monotonic()
        if began > until:
            return False
        # On a server, batches that change a summary wait for its row in the queue, see `_OLDEST`.
        with transaction(database, deadline=deadline, of=TABLES):
            added = _add_some(database)
        _let_others_write(began)
    return True


def _add_some(database: Database) -> int:
    """Return how many were added: none if all that wait are likely to change."""
    # A short command leaves this to others.
    from storage.model.search_words import document, document_terms

    at_once = ADDED_ON_SERVER if database.on_server else ADDED_AT_ONCE
    rows = _OLDEST.fetch(database, (RECENT, RUNNING, at_once))
    if database.on_server:
        terms = {trace: " ".join(document_terms(*texts)) for trace, *texts in rows}
        _ADD.execute_many(database, [(json.dumps(terms),)])
    else:
        _ADD.execute_many(database, [(trace, document(*texts)) for trace, *texts in rows])
    _DROP.execute_many(database, [(json.dumps([row[0] for row in rows]),)])
    return len(rows)


def purge(database: Database) -> None:
    """Write the index anew without what was deleted from it, whose words it still holds.

    Does nothing if nothing was deleted, or for a server, whose autovacuum does it. Each of many
    short transactions writes a few pages.
    """
    if database.on_server or not has_index(database):
        return
    if not _FIND_TOMBSTONES.fetch(database, (TOMBSTONES,)):
        return
    pages, written = -PAGES_AT_ONCE, True  # A negative number begins to merge all that is there.
    while written:
        began = time.monotonic()
        with transaction(database):
            before = _changes(database)
            _MERGE.execute_many(database, [(pages,)])
            written = _changes(database) - before > 1  # One change is that of this statement.
        pages = PAGES_AT_ONCE
        _let_others_write(began)


def _is_long(database: Database) -> bool:
    return queued(database, at_most=QUEUED) == QUEUED


def _changes(database: Database) -> int:
    return int(_CHANGES.fetch(database, ())[0][0])


def _let_others_write(began: float) -> None:
    # A process that begins its next transaction at once leaves the others no moment for theirs.
    time.sleep(min(time.monotonic() - began, 0.05))


def _by_kind(file: str, server: str) -> Statement:
    """Return a statement in the words of SQLite, and in those of PostgreSQL."""
    return Statement(lambda database: server if database.on_server else file)


def _of_file(sql: str) -> Statement:
    return Statement(lambda database: sql)


_EXISTS = _by_kind(
    "SELECT 1 FROM sqlite_master WHERE name = 'search_queue'",
    "SELECT 1 FROM pg_class WHERE oid = to_regclass('search_queue')",
)
_COUNT = _by_kind(
    "SELECT count(*) FROM (SELECT 1 FROM search_queue LIMIT ?)",
    "SELECT count(*) FROM (SELECT 1 FROM search_queue LIMIT %s) AS waiting",
)
_MATCHING = _by_kind(
    "SELECT rowid AS id FROM search_index WHERE search_index MATCH ?",
    "SELECT trace AS id FROM search_index WHERE words @@ %s::tsquery",
)
# Rows that a batch changes just now are skipped; a batch that comes later waits for the end of this
# transaction, and then finds the words that it added.
_OLDEST = _by_kind(
    "SELECT traces.rowid, name, text, agent, error_message FROM search_queue "
    "JOIN traces ON traces.rowid = search_queue.trace WHERE search_queue.trace <= "
    "(SELECT trace FROM search_queue ORDER BY trace DESC LIMIT 1 OFFSET ?) "
    "AND (status <> 'running' OR search_queue.trace < (SELECT max(rowid) FROM traces) - ?) "
    "ORDER BY search_queue.trace LIMIT ?",
    "SELECT trace_id, name, text, agent, error_message FROM search_queue "
    "JOIN traces ON trace_id = trace WHERE number <= "
    "(SELECT number FROM search_queue ORDER BY number DESC LIMIT 1 OFFSET %s) "
    "AND (status <> 'running' OR number < (SELECT max(number) FROM search_queue) - %s) "
    "ORDER BY number LIMIT %s FOR UPDATE OF search_queue SKIP LOCKED",
)
_ADD = _by_kind(
    "INSERT OR REPLACE INTO search_index (rowid, words) VALUES (?, ?)",
    "INSERT INTO search_index (trace, words) "
    "SELECT key, array_to_tsvector(string_to_array(value, ' ')) FROM json_each_text(%s::json) "
    "ON CONFLICT (trace) DO UPDATE SET words = excluded.words",
)
_DROP = _by_kind(
    "DELETE FROM search_queue WHERE trace IN (SELECT value FROM json_each(?))",
    "DELETE FROM search_queue WHERE trace IN (SELECT json_array_elements_text(%s::json))",
)
_FIND_TOMBSTONES = _of_file("SELECT 1 FROM search_index_data WHERE id >= ? LIMIT 1")
_MERGE = _of_file("INSERT INTO search_index (search_index, rank) VALUES ('merge', ?)")
_CHANGES = _of_file("SELECT total_changes()")
