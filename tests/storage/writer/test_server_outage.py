"""A server that is away for a while, however it goes, costs a delay and nothing else."""

import random
import subprocess
import sys
import time
from contextlib import closing, suppress

import pytest
from peewee import PeeweeException

from storage import Observability
from storage.coordination.leases import acquire_lease
from storage.database.base import Database
from storage.database.connect import locate
from storage.database.models import SpanRow
from storage.database.server_locks import MOST_LOCKS
from storage.database.transactions import transaction
from storage.queries.traces import recent_traces
from storage.recovery.opening import open_database
from storage.store.spool_files import spool_folder, waiting
from tests.support.conversations import eventually
from tests.support.postgres import FULL_DISK, SLOW, Cable

RECORD = """
import sys
from storage import Observability
url, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with Observability.open(url, platform="cli") as observability:
    for number in range(first, last):
        with observability.span(f"step {number}"):
            pass
"""


def record(observability: Observability, first: int, last: int) -> None:
    for number in range(first, last):
        with observability.span(f"step {number}"):
            pass


def stored(url: str) -> list[str]:
    with closing(locate(url)) as database:
        rows = database.fetch("SELECT name FROM spans WHERE status <> 'running'", ())
    return sorted((name for (name,) in rows), key=lambda name: int(name.split()[1]))


def spooled(database: Database) -> int:
    return waiting(spool_folder(database.path))[0]


def names(count: int) -> list[str]:
    return [f"step {number}" for number in range(count)]


def test_what_is_recorded_while_the_server_is_away_is_stored_later_and_once(
    cable: Cable, new_postgres_url: str
) -> None:
    with Observability.open(cable.url, platform="cli") as observability:
        record(observability, 0, 50)
        assert observability.flush()
        cable.cut()
        began = time.monotonic()
        record(observability, 50, 100)
        assert time.monotonic() - began < 1.0  # 50 spans: whoever records waits for nothing.
        eventually(lambda: spooled(observability.database) == 1)
        # Another process begins and ends meanwhile.
        program = [sys.executable, "-c", RECORD, cable.url, "100", "150"]
        other = subprocess.run(program, capture_output=True, text=True, timeout=60, check=True)
        assert "cannot be reached" in other.stderr
        assert other.stderr.count("\n") == 1
        assert "what is recorded is stored later, nothing is lost." in other.stderr
        assert stored(new_postgres_url) == names(50)
        cable.mend()
        record(observability, 150, 200)
        eventually(lambda: spooled(observability.database) == 0)
        assert observability.flush()
    assert stored(new_postgres_url) == names(200)


def test_a_process_that_starts_later_stores_what_an_ended_one_left(
    cable: Cable, new_postgres_url: str
) -> None:
    with Observability.open(cable.url, platform="cli") as observability:
        cable.cut()
        record(observability, 0, 30)
        assert not observability.close(timeout=0.1)
    cable.mend()
    with Observability.open(cable.url, platform="cli") as observability:
        eventually(lambda: spooled(observability.database) == 0)
    assert stored(new_postgres_url) == names(30)


@pytest.mark.parametrize("after", [3_000, 60_000, 200_000])
def test_a_connection_cut_in_the_middle_of_a_copy_stores_a_batch_once(
    cable: Cable, new_postgres_url: str, after: int
) -> None:
    with Observability.open(cable.url, platform="cli", linger=0.2) as observability:
        assert observability.flush()
        cable.cut_after = after
        for number in range(700):
            with observability.span(f"step {number}", note="x" * 300):
                pass
        eventually(lambda: cable.cut_after is None)
        cable.mend()
        eventually(observability.flush)
    assert stored(new_postgres_url) == names(700)


STATES = {
    "read only": (
        "ALTER DATABASE {0} SET default_transaction_read_only = on",
        "ALTER DATABASE {0} SET default_transaction_read_only = off",
        "can only be read (cannot execute INSERT in a read-only transaction): "
        "name the primary in TRACEBOT_DATABASE_URL",
    ),
    "no right to write": (
        "REVOKE ALL ON spans FROM clerk",
        "GRANT ALL ON spans TO clerk",
        "as tracebot does (permission denied for table spans): make that user the owner",
    ),
    "no tables": (
        "ALTER TABLE spans RENAME TO gone",
        "ALTER TABLE gone RENAME TO spans",
        'cannot be used (relation "spans" does not exist)',
    ),
    "no connection left": (
        "ALTER DATABASE {0} CONNECTION LIMIT 0",
        "ALTER DATABASE {0} CONNECTION LIMIT -1",
        'has no connection left (too many connections for database "{0}"): raise max_connections',
    ),
    "a full disk": (FULL_DISK, "DROP TRIGGER full_disk ON spans", "is full: free space there"),
    "a time limit": (
        f"{SLOW}; ALTER DATABASE {{0}} SET statement_timeout = '100ms'",
        "DROP TRIGGER slow ON spans; ALTER DATABASE {0} RESET statement_timeout",
        "ended a statement (canceling statement due to statement timeout): raise",
    ),
}


@pytest.mark.parametrize("state", STATES)
def test_a_database_that_takes_nothing_for_a_while_loses_nothing_and_says_what_to_do(
    new_postgres_url: str, state: str, caplog: pytest.LogCaptureFixture
) -> None:
    user = new_postgres_url.replace("postgres:@", "clerk@")
    name = locate(new_postgres_url).database.rpartition("/")[2]
    refuse, allow, sentence = STATES[state]
    with closing(locate(new_postgres_url)) as admin:
        with suppress(PeeweeException):  # An earlier test has created it.
            admin.execute_sql("CREATE ROLE clerk LOGIN")
        admin.execute_sql("GRANT ALL ON SCHEMA public TO clerk")
        admin.execute_sql("GRANT ALL ON ALL TABLES IN SCHEMA public TO clerk")
        admin.execute_sql("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO clerk")
        admin.execute_sql(refuse.format(name))
        with Observability.open(user, platform="cli") as observability:
            record(observability, 0, 20)
            assert not observability.flush(0.5)
            eventually(lambda: sentence.format(name) in caplog.text)
            assert "Traceback" not in caplog.text
            assert spooled(observability.database) == 1
            # Its own session may still be read-only.
            admin.execute_sql("SET default_transaction_read_only = off")
            admin.execute_sql(allow.format(name))
            eventually(observability.flush)
        admin.close()
    assert stored(new_postgres_url) == names(20)


def test_a_name_that_no_index_takes_stops_nothing(new_postgres_url: str) -> None:
    letters = random.Random(1)
    long = "".join(chr(letters.randrange(0x4E00, 0x9FFF)) for _ in range(100_000))
    long_names = ("agent", "user", "provider", "model", "thread_ts", "decision", "platform")
    with Observability.open(new_postgres_url, platform="cli") as observability:
        with observability.span("step 0", **dict.fromkeys(long_names, long)):
            pass
        observability.record_metric(long, 1.0)
        with observability.span("step 1", audience=long):  # Never cut: it says who may see it.
            pass
        record(observability, 2, 3)
        assert observability.flush()
        assert recent_traces(observability.database).traces
    assert stored(new_postgres_url) in (["step 0", "step 2"], names(3))


def test_a_flood_of_traces_waits_for_nobody_and_keeps_nobody_waiting(
    new_postgres_url: str,
) -> None:
    """A transaction of more traces than can be locked one by one would wait for all others."""
    with (
        closing(open_database(new_postgres_url)) as other,
        Observability.open(new_postgres_url, platform="cli") as observability,
        transaction(other, of=["something else"]),
    ):
        for number in range(2 * MOST_LOCKS):
            with observability.span(f"trace {number}"):
                pass
        assert observability.flush(30)
        assert acquire_lease(observability.database, "digest", owner="a:1:1", now=1, lease_ns=1)
        assert SpanRow.select().count(other) == 2 * MOST_LOCKS
