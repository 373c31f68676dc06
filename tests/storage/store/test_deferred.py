"""What batches leave for later is done once, in one process at a time, and in bounded time."""

import math
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage import Observability
from storage.database.lock_files import locked
from storage.database.shared_file import SharedDatabase
from storage.model.batch import Batch
from storage.model.span import Span
from storage.queries.traces import recent_traces
from storage.recovery.opening import open_database
from storage.store import deferred, search_index
from storage.store.batch import store
from storage.store.deferred import run_deferred_work
from storage.store.facts import facts_waiting
from storage.store.search_index import QUEUED, RECENT, queued
from storage.writer import merging

NOW = 1_764_000_000 * 10**9
TRACES = QUEUED + 50


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SharedDatabase]:
    opened = open_database(tmp_path / "t.db")
    spans = [
        Span(
            trace_id=f"{number:032x}",
            span_id=f"{number:016x}",
            name=f"work{number}",
            started_at=NOW + number,
            ended_at=NOW + number + 1,
            duration_ns=1,
            status="ok",
        )
        for number in range(TRACES)
    ]
    assert store(opened, Batch("p", 1, spans=spans))
    yield opened
    opened.close()


def waiting(database: SharedDatabase) -> tuple[int, int]:
    return facts_waiting(database), queued(database)


def finds(database: SharedDatabase, word: str) -> list[str | None]:
    return [trace.name for trace in recent_traces(database, words=word).traces]


def test_a_batch_leaves_facts_and_words_for_later_and_both_are_found(
    database: SharedDatabase,
) -> None:
    facts, words = waiting(database)
    assert (facts > 0, words) == (True, TRACES)
    assert finds(database, "work7") == [*(f"work{n}" for n in range(79, 69, -1)), "work7"]
    assert run_deferred_work(database, until=math.inf, deadline=1.0)
    assert waiting(database) == (0, TRACES - 100)
    assert finds(database, "work7") == [*(f"work{n}" for n in range(79, 69, -1)), "work7"]


def test_a_process_leaves_the_work_to_another_that_is_at_it(
    database: SharedDatabase, tmp_path: Path
) -> None:
    before = waiting(database)
    with locked(tmp_path / "t.db.merging"):
        assert run_deferred_work(database, until=math.inf, deadline=1.0)
        assert waiting(database) == before
    assert run_deferred_work(database, until=math.inf, deadline=1.0)
    assert waiting(database) < before


def test_facts_that_are_refused_keep_no_trace_out_of_the_index(
    database: SharedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> bool:
        raise OverflowError("int too big")

    monkeypatch.setattr(deferred, "merge_facts", refuse)
    with pytest.raises(OverflowError):
        run_deferred_work(database, until=math.inf, deadline=1.0)
    assert queued(database) == TRACES - 100


def test_it_ends_when_its_time_is_over_and_goes_on_later(database: SharedDatabase) -> None:
    before = waiting(database)
    assert not run_deferred_work(database, until=time.monotonic() - 1, deadline=1.0)
    assert waiting(database) == before


def test_a_process_that_dies_while_it_indexes_loses_no_word(
    database: SharedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_some = search_index._add_some

    def add_and_die(database: SharedDatabase) -> int:
        add_some(database)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(search_index, "_add_some", add_and_die)
        with pytest.raises(KeyboardInterrupt):
            run_deferred_work(database, until=math.inf, deadline=1.0)
    assert waiting(database) == (0, TRACES)
    assert len(finds(database, "work11")) == 11
    assert run_deferred_work(database, until=math.inf, deadline=1.0)
    assert len(finds(database, "work11")) == 11


def test_a_writer_indexes_what_it_and_others_stored(
    database: SharedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "MERGE_EVERY_S", 0.01)
    with Observability.open(database.path, platform="cli") as observability:
        with observability.span("work"):
            pass
        until = time.monotonic() + 30
        while waiting(database) >= (0, QUEUED) and time.monotonic() < until:
            time.sleep(0.01)
    assert RECENT <= queued(database) < QUEUED
