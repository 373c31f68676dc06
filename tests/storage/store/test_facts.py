"""Figures of batches wait as facts, are added up into rollups, and count once at every moment."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from peewee import Database

from storage import Observability
from storage.database.models import RollupRow, TraceRow
from storage.model.batch import Batch
from storage.model.span import Span
from storage.model.token_counts import HIGHEST
from storage.queries.statistics import statistics
from storage.recovery.opening import open_database
from storage.store import facts
from storage.store.batch import store
from storage.store.facts import facts_waiting, merge_facts
from storage.store.rollups import Addition
from storage.writer import merging

HOUR = 3_600 * 10**9
DAY = 24 * HOUR
NOW = 20_000 * DAY
TEAM = "T1"


def spans(number: int, count: int = 20) -> list[Span]:
    return [
        Span(
            trace_id=f"{number:016x}{each:016x}",
            span_id=f"{number:08x}{each:08x}",
            name="work",
            started_at=NOW + each * HOUR * 5,
            ended_at=NOW + each * HOUR * 5 + number,
            duration_ns=number * 10**6,
            status="error" if each % 7 == 0 else "ok",
            team=TEAM,
            audience=TEAM if each % 3 else f"{TEAM}/G{each}",
            channel=f"C{each % 4}",
            user=f"U{each}",
            input_tokens=10,
            cost=5,
        )
        for each in range(count)
    ]


def fill(database: Database, batches: int) -> None:
    for number in range(1, batches + 1):
        assert store(database, Batch("p", number, spans=spans(number)))


def answers(database: Database) -> list[Any]:
    return [
        statistics(database, since=NOW, until=NOW + 6 * DAY, by=by, audiences=audiences)
        for by in (None, "user", "channel", "hour")
        for audiences in (None, [TEAM], [TEAM, f"{TEAM}/G3"], [])
    ]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(tmp_path / "t.db")
    yield opened
    opened.close()


def test_statistics_are_the_same_before_while_and_after_facts_are_added_up(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts, "FACTS_A_TRANSACTION", 7)
    fill(database, 3)
    before = answers(database)
    assert before[0].total.traces == 60
    waiting = facts_waiting(database)
    add, met = facts.add, []

    def add_and_ask(database: Database, totals: Any) -> None:
        met.append(facts_waiting(database))
        add(database, totals)
        assert answers(database) == before

    monkeypatch.setattr(facts, "add", add_and_ask)
    assert merge_facts(database)
    assert met == [max(waiting - 7 * each, 0) for each in range(1, len(met) + 1)]
    assert facts_waiting(database) == 0
    assert answers(database) == before


def test_what_has_no_audience_is_added_up_with_all_its_latencies(database: Database) -> None:
    """As a command has, and a message that was deleted before it was decided who may see it."""
    hidden = [replace(span, audience=None, team=TEAM) for span in spans(1, 20)]
    commands = [replace(span, audience=None, team=None) for span in spans(2, 20)]
    assert store(database, Batch("p", 1, spans=[*hidden, *commands]))
    before = answers(database)
    merge_facts(database)
    assert answers(database) == before


def test_what_is_added_to_rollups_that_exist_counts_once(database: Database) -> None:
    fill(database, 2)
    merge_facts(database)
    assert store(database, Batch("p", 3, spans=spans(3)))
    total = statistics(database, since=NOW, until=NOW + 6 * DAY).total
    assert (total.traces, total.errors, total.input_tokens, total.cost) == (60, 9, 600, 300)


def test_figures_beyond_64_bits_in_sum_stay_countable(any_database: Database) -> None:
    """Otherwise the database would refuse their sum, and all that is added up with it, for ever."""
    for number in range(1, 4):
        dear = [replace(span, cost=2**62, trace_id="a" * 32) for span in spans(number)]
        assert store(any_database, Batch("p", number, spans=dear))
        merge_facts(any_database)
    assert facts_waiting(any_database) == 0
    (trace,) = TraceRow.select().execute(any_database)
    assert (trace.span_count, trace.cost) == (60, HIGHEST)
    costs = [row.cost for row in RollupRow.select().execute(any_database)]
    assert max(costs) == HIGHEST
    found = statistics(any_database, since=NOW, until=NOW + 6 * DAY).total
    assert (found.traces, found.input_tokens) == (60, 600)
    assert found.cost >= HIGHEST


def test_a_process_that_dies_while_it_adds_up_loses_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database, 2)
    before, waiting = answers(database), facts_waiting(database)
    add = facts.add

    def add_and_die(database: Database, totals: Any) -> None:
        add(database, totals)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(facts, "add", add_and_die)
        with pytest.raises(KeyboardInterrupt):
            merge_facts(database)
    assert (answers(database), facts_waiting(database)) == (before, waiting)
    merge_facts(database)
    assert answers(database) == before


def test_processes_that_add_up_at_once_count_each_fact_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts, "FACTS_A_TRANSACTION", 5)
    one, other = open_database(tmp_path / "t.db"), open_database(tmp_path / "t.db")
    fill(one, 3)
    before = answers(one)
    threads = [threading.Thread(target=merge_facts, args=(each,)) for each in (one, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers(one) == before
    for each in (one, other):
        each.close()


def test_new_facts_may_have_the_ids_of_those_that_another_process_added_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = open_database(tmp_path / "t.db"), open_database(tmp_path / "t.db")
    fill(one, 1)
    transaction, met = facts.transaction, []

    def begin_late(database: Database, **options: Any) -> Any:
        if not met:
            met.append(database)
            merge_facts(other)
            assert store(other, Batch("p", 2, spans=spans(2)[13:]))
        return transaction(database, **options)

    monkeypatch.setattr(facts, "transaction", begin_late)
    merge_facts(one)
    found = statistics(one, since=NOW, until=NOW + 6 * DAY, by="user")
    assert (found.total.traces, found.total.errors, found.total.input_tokens) == (27, 4, 270)
    twice = {group.key for group in found.groups if group.traces == 2}
    assert twice == {f"U{each}" for each in range(13, 20)}
    for each in (one, other):
        each.close()


def test_adding_up_ends_when_its_time_is_over_and_goes_on_later(database: Database) -> None:
    fill(database, 2)
    before = answers(database)
    assert not merge_facts(database, until=time.monotonic() - 1)
    assert facts_waiting(database)
    assert merge_facts(database, until=time.monotonic() + 60)
    assert answers(database) == before


def test_a_correction_takes_figures_back(database: Database) -> None:
    fill(database, 1)
    merge_facts(database)
    key = ("hour", NOW, "user", "U0", f"{TEAM}/G0")
    facts.add_facts(database, {key: Addition(input_tokens=-4, cost=-5, priced=-1)})
    for _ in range(2):
        found = statistics(database, since=NOW, until=NOW + 6 * DAY, by="user").groups
        (group,) = [group for group in found if group.key == "U0"]
        assert (group.traces, group.input_tokens, group.cost) == (1, 6, None)
        merge_facts(database)


def test_a_writer_adds_up_what_it_and_others_stored(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "MERGE_EVERY_S", 0.01)
    fill(database, 2)
    with Observability.open(database.database, platform="cli") as observability:
        with observability.span("work"):
            pass
        until = time.monotonic() + 30
        while facts_waiting(database) and time.monotonic() < until:
            time.sleep(0.01)
    assert facts_waiting(database) == 0
    assert RollupRow.select().where(RollupRow.key == "U0").count(database)


@pytest.mark.parametrize(("limit", "left"), [(0, False), (10_000, True)])
def test_a_writer_that_closes_leaves_only_a_few_facts(
    database: Database, monkeypatch: pytest.MonkeyPatch, limit: int, left: bool
) -> None:
    monkeypatch.setattr(merging, "LEFT_TO_OTHERS", limit)
    monkeypatch.setattr(merging, "MERGE_EVERY_S", 3_600)
    with (
        Observability.open(database.database, platform="cli") as observability,
        observability.span("work"),
    ):
        pass
    assert bool(facts_waiting(database)) == left
