"""A pooler that lends a session for one transaction may stand between tracebot and its server."""

import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from bot.cli.main import tracebot
from storage import Observability
from storage.coordination.accepted_messages import (
    AcceptedMessage,
    Standing,
    accept_message,
    begin_message,
    end_message,
)
from storage.coordination.leases import acquire_lease, complete_lease
from storage.database.connect import locate
from storage.database.transactions import transaction
from storage.errors import QueryTimeout
from storage.recovery.opening import open_database
from tests.support.pooler import PGBOUNCER, Pooler, pgbouncer

needs_pgbouncer = pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer is not installed")

FIRST = AcceptedMessage(
    trace_id="1",
    team="T1",
    channel="C1",
    thread_ts="1.000001",
    message_ts="1.000001",
    user="U1",
    position="1.000001",
)


@pytest.fixture(scope="module", params=["ours", pytest.param("pgbouncer", marks=needs_pgbouncer)])
def pooled_url(request: pytest.FixtureRequest, new_postgres: Callable[..., str]) -> Iterator[str]:
    """Return the URL of an empty database through a pooler."""
    url = new_postgres()
    with tempfile.TemporaryDirectory(prefix="tracebot-pooler-") as folder:  # A short name.
        os.chmod(folder, 0o755)
        if request.param == "pgbouncer":
            with pgbouncer(url, Path(folder)) as through:
                yield through
            return
        with closing(Pooler(url, Path(folder))) as pooler:
            yield pooler.url
            assert set(pooler.lost) <= {"LISTEN tracebot"}  # Who hears nothing looks again.


def test_processes_record_and_read_through_a_pooler(
    pooled_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(name: str) -> None:
        with Observability.open(pooled_url, platform="cli") as observability:
            for number in range(20):
                with observability.span(f"{name} {number}", agent=name, input_tokens=1):
                    observability.log_structured("info", "hello", {"n": number})
            observability.flush(60.0)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("ann", "ben", "cleo")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert tracebot(["ls", "-n", "200", "--database", pooled_url]) == 0
    listed = capsys.readouterr().out
    assert [listed.count(f"  {name}  ") for name in ("ann", "ben", "cleo")] == [20] * 3
    assert tracebot(["stats", "--by", "agent", "--database", pooled_url]) == 0
    assert tracebot(["search", "cleo", "--database", pooled_url]) == 0


def test_lanes_and_leases_hold_through_a_pooler(pooled_url: str) -> None:
    second = replace(FIRST, trace_id="2", message_ts="1.000002", position="1.000002")
    with closing(open_database(pooled_url)) as one, closing(open_database(pooled_url)) as other:
        assert accept_message(one, FIRST, claim="1", process="a:1:1", now=1) is Standing.RUNS
        assert accept_message(other, FIRST, claim="1", process="b:1:1", now=1) is Standing.ELSEWHERE
        assert accept_message(other, second, claim="2", process="b:1:1", now=2) is Standing.WAITS
        end_message(one, "1", process="a:1:1")
        assert begin_message(other, "2", process="b:1:1") is Standing.RUNS

        won: list[str] = []

        def attempt(owner: str) -> None:
            if acquire_lease(one, "digest", owner=owner, now=1, lease_ns=50):
                won.append(owner)

        threads = [threading.Thread(target=attempt, args=(f"p{n}",)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        complete_lease(other, "digest", now=2)
        assert not acquire_lease(other, "digest", owner="later", now=99, lease_ns=50)


def test_no_limit_or_lock_of_one_is_left_for_the_next(pooled_url: str) -> None:
    with closing(open_database(pooled_url)) as database:
        with pytest.raises(QueryTimeout), database.time_limit(0.05):
            database.execute_sql("SELECT pg_sleep(5)")
        with pytest.raises(ZeroDivisionError), transaction(database, of={"a"}):
            raise ZeroDivisionError
        for _ in range(8):
            names = ("statement_timeout", "lock_timeout", "enable_seqscan", "transaction_read_only")
            values = [database.fetch(f"SHOW {name}", ())[0][0] for name in names]
            assert values == ["0", "0", "on", "off"]
        locks = (
            "SELECT count(*) FROM pg_locks JOIN pg_database AS d ON d.oid = database "
            "WHERE locktype = 'advisory' AND datname = current_database()"
        )
        assert database.fetch(locks, ()) == [(0,)]


def test_who_waits_for_announcements_looks_again_in_time(pooled_url: str) -> None:
    with closing(locate(pooled_url)) as database:
        closing_now = threading.Event()
        with transaction(database):
            database.announce()
        database.wait_for_announcement(closing_now, seconds=0.1)
        closing_now.set()
        database.wait_for_announcement(closing_now, seconds=0.1)
