"""The clock by which processes on several machines judge each other's leases."""

import time

from peewee import Database, SqliteDatabase


def database_now(database: Database) -> int:
    """Return the time of the database's server in nanoseconds since the epoch.

    Those who share a SQLite file are on one machine, whose clock it is then.
    """
    if isinstance(database, SqliteDatabase):
        return time.time_ns()
    (row,) = database.execute_sql(
        "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint) * 1000"
    ).fetchall()
    return int(row[0])
