"""A server that is away for a while, however it goes, costs a delay and nothing else."""

import subprocess
import sys
import time
from contextlib import closing, suppress

import pytest
from peewee import PeeweeException

from storage import Observability
from storage.database.base import Database
from storage.database.connect import locate
from storage.writer.spool import spool_folder, waiting
from tests.support.conversations import eventually
from tests.support.postgres import Cable

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
        assert "What is recorded waits in the spool until then." in other.stderr
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


@pytest.mark.parametrize("state", ["read only", "no right to write", "no tables"])
def test_a_database_that_takes_nothing_for_a_while_loses_nothing(
    new_postgres_url: str, state: str, caplog: pytest.LogCaptureFixture
) -> None:
    user = new_postgres_url.replace("postgres:@", "clerk@")
    name = locate(new_postgres_url).database.rpartition("/")[2]
    refuse, allow = {
        "read only": (
            f"ALTER DATABASE {name} SET default_transaction_read_only = on",
            f"ALTER DATABASE {name} SET default_transaction_read_only = off",
        ),
        "no right to write": ("REVOKE ALL ON spans FROM clerk", "GRANT ALL ON spans TO clerk"),
        "no tables": ("ALTER TABLE spans RENAME TO gone", "ALTER TABLE gone RENAME TO spans"),
    }[state]
    with closing(locate(new_postgres_url)) as admin:
        with suppress(PeeweeException):  # An earlier test has created it.
            admin.execute_sql("CREATE ROLE clerk LOGIN")
        admin.execute_sql("GRANT ALL ON SCHEMA public TO clerk")
        admin.execute_sql("GRANT ALL ON ALL TABLES IN SCHEMA public TO clerk")
        admin.execute_sql("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO clerk")
        admin.execute_sql(refuse)
        with Observability.open(user, platform="cli") as observability:
            record(observability, 0, 20)
            assert not observability.flush(0.5)
            assert spooled(observability.database) == 1
            # Its own session may still be read-only.
            admin.execute_sql("SET default_transaction_read_only = off")
            admin.execute_sql(allow)
            eventually(observability.flush)
        admin.close()
    assert stored(new_postgres_url) == names(20)
