"""A database on a PostgreSQL server, which processes of several machines share."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Self

import peewee

from storage.database.base import Database
from storage.database.error_causes import LOCKED, NO_RIGHT, READ_ONLY, cause_of
from storage.database.migrations import HISTORY, migrate
from storage.database.partitions import keep_ahead
from storage.database.postgres_errors import SENTENCES, explain, not_ours, nothing_there
from storage.database.server_connection import open_doors
from storage.database.server_listener import CHANNEL, ServerListener
from storage.database.server_locks import MOST_LOCKS, milliseconds
from storage.database.server_sessions import Block, ServerSessions
from storage.errors import DatabaseUnavailable, TemporarilyUnavailable

MIGRATING = 0x74626F7400000002
"""Key of an advisory lock, see `storage.database.server_locks`."""

USED_BYTES = """
SELECT coalesce(
    (SELECT sum(span_count) FROM traces)
    * (SELECT avg(pg_column_size(few.*)) + 28 FROM (SELECT * FROM spans LIMIT 1000) AS few)
    * pg_database_size(current_database())
    / nullif((SELECT sum(pg_table_size(relid)) FROM pg_partition_tree('spans')), 0), 0)
"""
"""A row has 28 bytes besides its columns."""

OBSTACLE = f"""
SELECT '{READ_ONLY}', 'it is a standby' WHERE pg_is_in_recovery()
UNION ALL SELECT '{READ_ONLY}', 'default_transaction_read_only is on'
WHERE current_setting('default_transaction_read_only') = 'on'
UNION ALL SELECT '{NO_RIGHT}', 'it may not create tables'
WHERE NOT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)
UNION ALL SELECT '{NO_RIGHT}', 'it does not own the table ' || relname FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relname = 'spans'
AND NOT pg_has_role(relowner, 'USAGE')
"""


class PostgresDatabase(ServerSessions):
    """A database of tracebot on a server."""

    on_server = True
    by_code_point = '"C"'
    engine = "PostgreSQL"
    most_names = MOST_LOCKS
    poll_s = 0.5  # In case that an announcement is not heard, as behind a pooler.
    _listener: ServerListener | None = None

    def another(self, *, busy_timeout_ms: int, thread_safe: bool = True) -> Self:
        return type(self)(self.url, busy_timeout_ms=busy_timeout_ms, thread_safe=thread_safe)

    def for_reading(self) -> Database:
        self.require()
        return type(self)(self.url, busy_timeout_ms=int(self.timeout * 1000), read_only=True)

    def create(self, *, patience: float = 60.0) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._refuse_other_tables()
        migrate(self, patience=patience)
        keep_ahead(self)

    def require(self) -> None:
        try:
            self._refuse_other_tables()
            if not self.table_exists(HISTORY):
                raise nothing_there(self.label)
        except peewee.PeeweeException as error:
            raise self.explain(error) from error

    def _refuse_other_tables(self) -> None:
        tables = set(self.get_tables())
        if HISTORY not in tables and (others := tables & {"traces", "spans"}):
            raise not_ours(self.label, max(others))

    @contextmanager
    def migrating(self, *, patience: float) -> Iterator[None]:
        """Hold a lock on a second connection, in a transaction that does nothing else."""
        own = self.another(busy_timeout_ms=int(patience * 1000), thread_safe=False)
        try:
            own.enter(
                Block.WRITING,
                f"BEGIN; SET LOCAL lock_timeout = {milliseconds(patience)}; "
                "SET LOCAL idle_in_transaction_session_timeout = 0; "
                f"SELECT pg_advisory_xact_lock({MIGRATING})",
            )
        except peewee.OperationalError as error:
            own.close()
            if cause_of(error) != LOCKED:
                raise
            raise TemporarilyUnavailable(
                f"Another process is changing the tables of {self.label}",
                "try again when it has finished",
            ) from error
        try:
            yield
        finally:
            # If the session is lost, so is its lock, and what was migrated stays.
            with suppress(peewee.DatabaseError):
                own.rollback()
            own.close()

    def now(self) -> int:
        sql = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint) * 1000"
        return int(self.fetch(sql, ())[0][0])

    def announce(self) -> None:
        self.execute_sql(f"SELECT pg_notify('{CHANNEL}', '')")

    def wait_for_announcement(self, closing: threading.Event, *, seconds: float) -> None:
        if self._listener is None:
            self._listener = ServerListener(self.url)
        self._listener.wait(closing, seconds=seconds)
        if closing.is_set():
            self._listener.close()

    def go_on_numbering(self, table: str) -> None:
        sequence = f"pg_get_serial_sequence('{table}', 'id')"
        self.fetch(f'SELECT setval({sequence}, greatest(max("id"), 1)) FROM "{table}"', ())

    def version(self) -> object:
        return self.fetch("SELECT pg_current_snapshot()::text", ())[0][0]

    def is_current(self) -> bool:
        return True

    def disk_bytes(self) -> int:
        return int(self.fetch("SELECT pg_database_size(current_database())", ())[0][0])

    def used_bytes(self) -> int:
        # Files do not shrink when rows are deleted. So this is counted from the rows that there
        # are, from how long some of them are, and from what indexes and other tables take besides.
        return int(self.fetch(USED_BYTES, ())[0][0])

    def empty_bytes(self) -> int:
        return 0

    def open_doors(self) -> Sequence[str]:
        return open_doors(self.url)

    def obstacle(self) -> DatabaseUnavailable | None:
        found = self.fetch(OBSTACLE, ())
        return SENTENCES[found[0][0]](self.label, found[0][1]) if found else None

    def explain(self, error: Exception) -> DatabaseUnavailable:
        return explain(self.label, error)
