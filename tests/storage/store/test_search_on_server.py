"""The index on a server follows the summaries, whoever changes them while words are added."""

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from storage.database.base import Database
from storage.database.connect import locate
from storage.database.transactions import transaction
from storage.model.batch import Batch
from storage.model.search_words import SearchWords
from storage.model.span import Span
from storage.queries.traces import recent_traces
from storage.store import search_index
from storage.store.batch import store
from storage.store.search_index import add_all, condition, matching, queued

NOW = 1_764_000_000 * 10**9


@pytest.fixture
def database(new_postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """Open a database whose traces are added to the index at once."""
    monkeypatch.setattr(search_index, "QUEUED", 1)
    monkeypatch.setattr(search_index, "RECENT", 0)
    with closing(locate(new_postgres_url)) as database:
        yield database


def put(database: Database, number: int, text: str) -> None:
    times = {"started_at": NOW + number, "ended_at": NOW + number + 5, "duration_ns": 5}
    span = Span(f"{number:032x}", f"{number:016x}", "n", text=text, status="ok", **times)  # type: ignore[arg-type]
    assert store(database, Batch(f"host:{number}:1", 1, spans=[span]))


def found(database: Database, words: str) -> list[str | None]:
    return [trace.text for trace in recent_traces(database, words=words).traces]


def indexed(database: Database, word: str) -> int:
    return len(database.fetch(matching(database), (condition(database, SearchWords(word)),)))


def change(database: Database, number: int, text: str) -> None:
    with transaction(database, of=(f"{number:032x}",)):
        database.execute_sql(
            "UPDATE traces SET text = %s WHERE trace_id = %s", (text, f"{number:032x}")
        )


def test_words_leave_the_index_with_the_summary_that_had_them(database: Database) -> None:
    put(database, 1, "alpha 東京都")
    put(database, 2, "beta")
    add_all(database)
    assert [indexed(database, word) for word in ("alpha", "京都", "bet")] == [1, 1, 1]
    change(database, 1, "gamma")
    database.execute_sql("DELETE FROM traces WHERE text = 'beta'")
    assert [indexed(database, word) for word in ("alpha", "京都", "bet")] == [0, 0, 0]
    assert (found(database, "gam"), queued(database)) == (["gamma"], 1)


def test_a_text_that_changes_while_it_is_added_is_found_by_its_new_words_only(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(database, 1, "alpha")
    put(database, 2, "beta")
    other = database.another(busy_timeout_ms=5_000)
    writer = threading.Thread(target=change, args=(other, 1, "gamma"))
    drop = search_index._DROP

    class Dropping:
        def execute_many(self, database: Database, rows: list[tuple[str]]) -> None:
            writer.start()
            writer.join(0.2)
            assert writer.is_alive()  # It waits for the words that are added just now.
            drop.execute_many(database, rows)

    monkeypatch.setattr(search_index, "_DROP", Dropping())
    with transaction(database, of=search_index.TABLES):
        search_index._add_some(database)
    writer.join()
    other.close()
    assert [indexed(database, word) for word in ("alpha", "beta")] == [0, 1]
    assert (found(database, "gamma"), found(database, "alpha")) == (["gamma"], [])


def test_what_a_batch_changes_just_now_is_added_later(database: Database) -> None:
    put(database, 1, "alpha")
    put(database, 2, "beta")
    other = database.another(busy_timeout_ms=5_000)
    with transaction(other, of=("1",)):
        other.execute_sql("UPDATE traces SET text = 'gamma' WHERE text = 'alpha'")
        add_all(database)
        assert [indexed(database, word) for word in ("alpha", "beta")] == [0, 1]
    other.close()
    assert found(database, "gamma") == ["gamma"]
    add_all(database)
    assert (indexed(database, "gamma"), queued(database)) == (1, 0)


def test_a_search_asks_the_index_however_many_it_seems_to_find(database: Database) -> None:
    put(database, 1, "alpha")
    add_all(database)
    with database.time_limit(9):
        value = condition(database, SearchWords("alp"))
        plan = database.fetch(f"EXPLAIN {matching(database)} LIMIT 301", (value,))
    assert "search_index_words" in str(plan)
