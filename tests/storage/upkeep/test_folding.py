"""Old statistics fold into days and months: totals stay, keys and hours go."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import count
from math import ceil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from peewee import Database

from storage.database.models import FactRow, RollupRow
from storage.database.transactions import transaction
from storage.model.retention import OTHERS, Folding
from storage.model.span import Span, own_audience
from storage.queries import statistics as queries
from storage.queries.statistics import Group, statistics
from storage.recovery.merging import Table, merge
from storage.recovery.opening import open_database
from storage.store.facts import add_facts, merge_facts
from storage.store.grains import DAY_NS, HOUR_NS, Grains, grains_of, month_end, month_start
from storage.store.rollups import additions
from storage.upkeep import folding
from storage.upkeep.folding import Folded, fold

TEAM = "T1"
PRIVATE = own_audience(TEAM, "G1")
START = int(datetime(2023, 11, 20, tzinfo=UTC).timestamp()) * 10**9
LENGTH = 1_000 * DAY_NS
AGES = Folding(hours_ns=35 * DAY_NS, days_ns=400 * DAY_NS)
SHORT = Folding(hours_ns=10 * DAY_NS, days_ns=40 * DAY_NS)

numbers = count(1)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    opened = open_database(tmp_path_factory.mktemp("folding") / "t.db")
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def empty(database: Database) -> None:
    clear(database)


def clear(database: Database) -> None:
    for table in (RollupRow, FactRow):
        table.delete().execute(database)


def turn(at: int, **words: Any) -> Span:
    values: dict[str, Any] = {
        "duration_ns": 10**9,
        "status": "ok",
        "audience": TEAM,
        "team": TEAM,
        "channel": "C1",
        "user": "U1",
        "agent": "claude",
        "input_tokens": 10,
        "cost": 5,
        **words,
    }
    return Span(
        trace_id=f"{next(numbers):032x}", span_id=f"{1:016x}", name="turn", started_at=at, **values
    )


def add(database: Database, spans: Sequence[Span]) -> None:
    with transaction(database):
        add_facts(database, additions(spans))


turns = st.builds(
    turn,
    st.integers(START, START + LENGTH - 1),
    duration_ns=st.integers(1, 10**12),
    status=st.sampled_from(["ok", "error"]),
    audience=st.sampled_from([TEAM, TEAM, PRIVATE]),
    user=st.sampled_from([f"U{number}" for number in range(6)]),
    agent=st.sampled_from(["claude", "codex"]),
    input_tokens=st.none() | st.integers(0, 10**6),
    cost=st.none() | st.integers(0, 10**6),
)
steps = st.lists(
    st.one_of(
        st.lists(turns, min_size=1, max_size=15),
        st.just("add up"),
        st.integers(START, START + 2 * LENGTH),
    ),
    min_size=2,
    max_size=7,
)
times = st.integers(START - DAY_NS, START + LENGTH + DAY_NS)


@settings(max_examples=60, deadline=None)
@given(steps, st.lists(st.tuples(times, times).map(sorted), min_size=1, max_size=3))
def test_totals_of_each_period_stay_the_same(
    database: Database, steps: list[Any], periods: list[list[int]]
) -> None:
    """Whatever was recorded, however late, and whenever it was folded."""
    clear(database)
    recorded: list[Span] = []
    now = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folding, "NAMED", 2)
        patch.setattr(folding, "ROWS_A_TRANSACTION", 3)
        patch.setattr(folding, "LONGEST_PAUSE_S", 0)
        for step in steps:
            if isinstance(step, list):
                add(database, step)
                recorded += step
            elif step == "add up":
                merge_facts(database)
            else:
                now = max(now, step)
                fold(database, AGES, now=now)
            for since, until in periods:
                agree(database, recorded, since, until)


def agree(database: Database, recorded: Sequence[Span], since: int, until: int) -> None:
    """Compare statistics with what was recorded in the period, rounded to what is kept."""
    grains = grains_of(database)
    first, last = grains.start(since), grains.end(until - 1)
    assert first <= since
    assert last >= until
    within = [span for span in recorded if first <= span.started_at < last]
    for audiences in (None, [TEAM], [TEAM, PRIVATE]):
        seen = [span for span in within if audiences is None or span.audience in audiences]
        for by in ("agent", "hour", "user"):
            found = statistics(database, since=since, until=until, by=by, audiences=audiences)
            same(found.total, seen)
            for group in found.groups:
                if by == "agent":
                    same(group, [span for span in seen if span.agent == group.key])
                elif by == "hour":
                    start = int(group.key)
                    assert start == grains.start(start)
                    end = grains.end(start)
                    same(group, [span for span in seen if start <= span.started_at < end])
                elif group.key != OTHERS:
                    assert group.traces <= sum(span.user == group.key for span in seen)
            counted = sum(group.traces for group in found.groups)
            assert counted == len(seen)


def same(group: Group, spans: Sequence[Span]) -> None:
    assert group.traces == len(spans)
    assert group.errors == sum(span.status == "error" for span in spans)
    assert group.input_tokens == sum(span.input_tokens or 0 for span in spans)
    priced = [span.cost for span in spans if span.cost is not None]
    assert group.cost == (sum(priced) if priced else None)
    durations = sorted(span.duration_ns or 0 for span in spans)
    for share, value in ((0.5, group.p50_ns), (0.95, group.p95_ns), (0.99, group.p99_ns)):
        exact = durations[ceil(share * len(durations) - 1e-9) - 1] if durations else None
        assert value == (exact and pytest.approx(exact, rel=0.01))


def levels(database: Database) -> dict[str, int]:
    merge_facts(database)
    rows = RollupRow.select(RollupRow.level).tuples().execute(database)
    found = [level for (level,) in rows]
    return {level: found.count(level) for level in dict.fromkeys(found)}


def test_hours_are_kept_for_their_age_days_for_theirs_and_months_for_ever(
    database: Database,
) -> None:
    days = [START + number * DAY_NS + 5 * HOUR_NS for number in range(120)]
    add(database, [turn(at) for at in days])
    merge_facts(database)
    now = days[-1] + HOUR_NS
    fold(database, SHORT, now=now)
    kept = {
        level: min(
            at
            for (at,) in RollupRow.select(RollupRow.starts_at)
            .where(RollupRow.level == level)
            .tuples()
            .execute(database)
        )
        for level in ("hour", "day", "month")
    }
    today = now - now % DAY_NS
    assert kept == {
        "hour": today - 10 * DAY_NS + 5 * HOUR_NS,
        "day": month_start(now - 40 * DAY_NS),
        "month": month_start(START),
    }
    assert fold(database, SHORT, now=now) == Folded(0, 0, 0)


def test_what_arrives_late_goes_where_its_time_is_kept(database: Database) -> None:
    fold(database, SHORT, now=START + 500 * DAY_NS)
    add(database, [turn(START), turn(START + 480 * DAY_NS), turn(START + 499 * DAY_NS)])
    merge_facts(database)
    by_all = RollupRow.select(RollupRow.level).where(
        RollupRow.dimension == "all", RollupRow.audience == TEAM
    )
    assert sorted(level for (level,) in by_all.tuples().execute(database)) == [
        "day",
        "day",
        "hour",
        "month",
    ]


def test_what_is_folded_stays_folded_if_the_age_grows(database: Database) -> None:
    fold(database, SHORT, now=START + 100 * DAY_NS)
    before = grains_of(database)
    fold(database, AGES, now=START + 101 * DAY_NS)
    assert grains_of(database) == before


def test_hours_are_kept_again_from_the_month_after_the_clock_was_ahead(database: Database) -> None:
    fold(database, SHORT, now=START + 9_000 * DAY_NS)
    fold(database, SHORT, now=START)
    next_month = month_end(START)
    add(database, [turn(START), turn(next_month)])
    merge_facts(database)
    fold(database, SHORT, now=next_month + DAY_NS)
    hours = RollupRow.select(RollupRow.starts_at).where(
        RollupRow.level == "hour", RollupRow.dimension == "all"
    )
    assert list(hours.tuples().execute(database)) == [(next_month,)]
    agree(database, [turn(START), turn(next_month)], START, next_month + DAY_NS)


def test_hours_are_never_kept_where_days_are_not(database: Database) -> None:
    fold(database, Folding(hours_ns=90 * DAY_NS, days_ns=7 * DAY_NS), now=START)
    grains = grains_of(database)
    assert grains == Grains(month_start(START - 7 * DAY_NS), month_start(START - 7 * DAY_NS))


@pytest.mark.parametrize("after", range(1, 12, 2))
def test_folding_that_dies_counts_nothing_twice_and_the_next_run_ends_it(
    database: Database, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    spans = [turn(START + number * 20 * HOUR_NS, user=f"U{number % 5}") for number in range(60)]
    add(database, spans)
    merge_facts(database)
    transactions = count(1)

    def dying(database: Database, **words: Any) -> Any:
        if next(transactions) > after:
            raise KeyboardInterrupt
        return transaction(database, **words)

    monkeypatch.setattr(folding, "ROWS_A_TRANSACTION", 40)
    monkeypatch.setattr(folding, "NAMED", 2)
    with monkeypatch.context() as patch:
        patch.setattr(folding, "transaction", dying)
        with pytest.raises(KeyboardInterrupt):
            fold(database, SHORT, now=START + 400 * DAY_NS)
    late = turn(START + HOUR_NS, user="U9")
    add(database, [late])
    for _ in range(2):
        for since in (START, START + 15 * DAY_NS):
            agree(database, [*spans, late], since, START + 100 * DAY_NS)
        fold(database, SHORT, now=START + 400 * DAY_NS)
    assert levels(database).keys() == {"folded", "month"}


def test_who_reads_while_rows_are_folded_counts_all_of_them(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans = [turn(START + number * HOUR_NS) for number in range(48)]
    add(database, spans)
    merge_facts(database)
    read = queries.added_up

    def fold_and_read(*args: Any, **words: Any) -> Any:
        fold(database, SHORT, now=START + 20 * DAY_NS)
        return read(*args, **words)

    monkeypatch.setattr(queries, "added_up", fold_and_read)
    since = START + 5 * HOUR_NS
    assert statistics(database, since=since, until=since + 24 * HOUR_NS).total.traces == 48


def test_a_month_names_the_users_who_are_counted_most(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folding, "NAMED", 2)
    often = {"U1": 5, "U2": 4, "U3": 3, "U4": 1}
    add(database, [turn(START, user=user) for user, times in often.items() for _ in range(times)])
    add(database, [turn(START, user="U8", audience=PRIVATE, agent="rare")])
    merge_facts(database)
    fold(database, SHORT, now=START + 400 * DAY_NS)

    def groups(by: str, *audiences: str) -> dict[str, int]:
        found = statistics(
            database, since=START, until=START + HOUR_NS, by=by, audiences=audiences or None
        )
        return {group.key: group.traces for group in found.groups}

    assert groups("user", TEAM) == {"U1": 5, "U2": 4, OTHERS: 4}
    assert groups("user", PRIVATE) == {"U8": 1}
    assert groups("user") == {"U1": 5, "U2": 4, OTHERS: 5}
    assert groups("agent") == {"claude": 13, "rare": 1}
    late = [turn(START, user="U5") for _ in range(9)]
    add(database, late)
    fold(database, SHORT, now=START + 400 * DAY_NS)
    merge_facts(database)
    fold(database, SHORT, now=START + 400 * DAY_NS)
    assert groups("user", TEAM) == {"U5": 9, "U1": 5, OTHERS: 8}


def test_percentiles_of_many_turns_stay_when_they_are_added_up_and_folded(
    database: Database,
) -> None:
    second, minute = 10**9, 60 * 10**9
    # More than 255 in one bucket, so that a count takes two bytes.
    many = [*[second] * 1_000, *[minute] * 100]
    add(database, [turn(START, duration_ns=duration) for duration in many])
    merge_facts(database)
    now = START + LENGTH
    assert shown(database, now) == pytest.approx([second, minute, minute], rel=0.01)
    add(database, [turn(START + DAY_NS, duration_ns=2 * second)])
    merge_facts(database)
    fold(database, AGES, now=now)
    assert RollupRow.select().where(RollupRow.level == "month").count(database)
    assert shown(database, now) == pytest.approx([second, minute, minute], rel=0.01)


def shown(database: Database, until: int) -> list[float | None]:
    total = statistics(database, since=month_start(START), until=until).total
    return [total.p50_ns, total.p95_ns, total.p99_ns]


def test_rows_of_a_damaged_database_are_added_whatever_is_folded(tmp_path: Path) -> None:
    """Ours is folded further than the other, which has days of months that we have folded."""
    ours, theirs = (open_database(tmp_path / f"{name}.db") for name in ("ours", "theirs"))
    spans = [turn(START + number * 10 * DAY_NS, user=f"U{number}") for number in range(12)]
    for database, some, days in ((ours, spans[:6], 500), (theirs, spans[6:], 100)):
        add(database, some)
        merge_facts(database)
        fold(database, SHORT, now=START + days * DAY_NS)
    rows = list(RollupRow.select().tuples().execute(theirs))
    columns = tuple(field.column_name for field in RollupRow._meta.sorted_fields)
    for _ in range(2):
        with transaction(ours):
            merge(ours, Table("rollups", columns), rows)
        rows = []
        agree(ours, spans, START, START + 200 * DAY_NS)
        fold(ours, SHORT, now=START + 500 * DAY_NS)
    assert levels(ours).keys() == {"folded", "month"}
    for database in (ours, theirs):
        database.close()


def test_months_are_those_of_the_calendar() -> None:
    for year, month, days in ((2024, 2, 29), (2023, 2, 28), (2024, 12, 31), (1970, 1, 31)):
        start = int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * 10**9
        end = start + days * DAY_NS
        assert {month_start(at) for at in (start, start + DAY_NS, end - 1)} == {start}
        assert {month_end(at) for at in (start, start + DAY_NS, end - 1)} == {end}
