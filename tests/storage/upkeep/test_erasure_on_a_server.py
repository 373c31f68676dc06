"""An erasure that one machine is asked for holds for what others store in the same database."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage.database.base import Database
from storage.database.connect import locate
from storage.database.transactions import transaction
from storage.model.batch import Batch
from storage.model.erasure import Erasure
from storage.model.span import Span
from storage.model.trace_context import new_trace_id
from storage.queries.traces import recent_traces
from storage.store.batch import store
from storage.store.erasure_log import append, erasure_log
from storage.store.shared_erasures import LATER_NS, share
from storage.upkeep.erasure import apply_pending

Machine = Callable[[str], Database]


@pytest.fixture
def machine(
    new_postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Machine]:
    """Return a function that connects to the database from a machine of this name."""
    opened: list[Database] = []

    def connected(name: str) -> Database:
        with monkeypatch.context() as patch:
            patch.setenv("XDG_STATE_HOME", str(tmp_path / name))
            database = locate(new_postgres_url)
        database.path.parent.mkdir(parents=True)
        opened.append(database)
        return database

    yield connected
    for database in opened:
        database.close()


def question(text: str = "hush") -> Span:
    now = time.time_ns()
    return Span(
        trace_id=new_trace_id(now),
        span_id="a" * 16,
        name="slack message",
        status="ok",
        team="T1",
        channel="C1",
        audience="T1",
        message_ts="1.0",
        thread_ts="1.0",
        user="U1",
        text=text,
        started_at=now,
        ended_at=now + 1,
        duration_ns=1,
        process="other:1:1",
    )


def deletion(at: int) -> Erasure:
    return Erasure(at=at, by="slack", team="T1", channel="C1", message_ts="1.0")


def texts(database: Database) -> list[str | None]:
    return [trace.text for trace in recent_traces(database).traces]


def test_another_machine_stores_nothing_of_a_message_that_was_deleted_meanwhile(
    machine: Machine,
) -> None:
    here, there = machine("here"), machine("there")
    span = question()
    append(erasure_log(here.path), deletion(time.time_ns()))
    assert apply_pending(here) == 1
    assert store(there, Batch("other:1:1", 1, spans=[span]))
    assert texts(there) == [None]
    assert apply_pending(here) == apply_pending(there) == 0


def test_the_files_of_an_erased_turn_go_on_the_machine_that_has_them(machine: Machine) -> None:
    here, there = machine("here"), machine("there")
    span = question()
    assert store(there, Batch("other:1:1", 1, spans=[span]))
    file = there.path.parent / "files" / f"{span.trace_id}-x" / "F1.txt"
    file.parent.mkdir(parents=True)
    file.write_text("hush")
    append(erasure_log(here.path), deletion(time.time_ns()))
    apply_pending(here)
    assert file.exists()
    apply_pending(there)
    assert not file.parent.exists()


def test_an_erasure_whose_machine_died_is_applied_by_another(machine: Machine) -> None:
    here, there = machine("here"), machine("there")
    assert store(there, Batch("other:1:1", 1, spans=[question()]))
    long_ago = time.time_ns() - 2 * LATER_NS
    with transaction(here):
        share(here, deletion(long_ago))
    assert texts(there) == ["hush"]
    assert apply_pending(there) == 1
    assert texts(there) == [None]
    assert apply_pending(there) == 0


def test_a_backup_that_is_restored_on_the_server_catches_up(machine: Machine) -> None:
    here = machine("here")
    assert store(here, Batch("other:1:1", 1, spans=[question()]))
    append(erasure_log(here.path), deletion(time.time_ns()))
    assert apply_pending(here) == 1
    assert texts(here) == [None]
    # The tables are as they were before.
    for sql in ("DELETE FROM erasures", "DELETE FROM maintenance", "UPDATE traces SET text = 'x'"):
        here.execute_sql(sql)
    assert apply_pending(here) == 1
    assert texts(here) == [None]
