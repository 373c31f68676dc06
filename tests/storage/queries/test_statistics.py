"""Statistics that SQL adds up are the same as those of all rows, one by one."""

import struct
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peewee import Database

from storage.database.models import FactRow, RollupRow
from storage.queries.statistics import Group, statistics
from storage.recovery.opening import open_database
from storage.store.facts import FIELDS
from storage.store.grains import HOUR_NS, MARK
from storage.store.histogram import Histogram, extended, listed
from storage.store.rollups import EVERYONE, INSERT_FIELDS, SUMS

FIRST = 480_000 * HOUR_NS
SHARES = (0.5, 0.95, 0.99)

latencies = st.lists(st.integers(0, 10**13), min_size=1, max_size=60)
counts = st.integers(-5, 2**40)
"""Corrections take figures back."""


def old_form(values: Sequence[int]) -> bytes:
    """Return bytes of the form that was written until November 2026."""
    return struct.pack(f"<BI{len(values)}Q", 1, len(values), *values)


encoded = st.one_of(
    st.none(),
    st.lists(st.integers(0, 10**13), min_size=1, max_size=3).map(lambda some: extended(None, some)),
    latencies.map(lambda some: extended(None, some)),
    st.lists(st.integers(10**9, 10**9 + 10**8), min_size=300, max_size=900).map(
        lambda some: extended(None, some)
    ),
    st.lists(st.integers(1, 10**12), max_size=3).map(old_form),
)
rollup = st.tuples(
    st.just("hour"),
    st.integers(0, 3).map(lambda hour: FIRST + hour * HOUR_NS),
    st.sampled_from(["all", "user"]),
    st.sampled_from(["", "U1", "ü,'2"]),
    st.sampled_from(["T1", "T1/C1", ""]),
    st.just("T1"),
    *[counts] * len(SUMS),
    encoded,
)
fact = st.tuples(
    *(
        st.integers(0, 3).map(lambda hour: FIRST + hour * HOUR_NS),
        st.sampled_from(["all", "user"]),
        st.sampled_from(["", "U1"]),
        st.sampled_from(["T1", "T1/C1", ""]),
        st.just("T1"),
    ),
    *[counts] * len(SUMS),
    st.one_of(st.none(), latencies.map(listed)),
)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    opened = open_database(tmp_path_factory.mktemp("statistics") / "t.db")
    yield opened
    opened.close()


def plain(key: str, rows: Sequence[Sequence[Any]]) -> Group:
    """Add up rows that begin with the sums and end with the latencies, in Python."""
    sums = {name: sum(row[place] for row in rows) for place, name in enumerate(SUMS)}
    latency = Histogram(row[-1] for row in rows if row[-1])
    p50, p95, p99 = map(latency.quantile, SHARES)
    priced, cost = sums.pop("priced"), sums.pop("cost")
    return Group(key=key, p50_ns=p50, p95_ns=p95, p99_ns=p99, cost=cost if priced else None, **sums)


LATER = [
    ("hour", FIRST + 4 * HOUR_NS, dimension, "", "T1", "T1", *[1] * len(SUMS), None)
    for dimension in ("all", "user")
]
"""Rollups after the period, on the same day: it is read by hour."""


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(st.lists(rollup, max_size=25, unique_by=lambda row: row[:5]), st.lists(fact, max_size=8))
def test_statistics_added_up_in_sql_are_those_of_each_row(
    database: Database, stored: list[Any], waiting: list[Any]
) -> None:
    for table, fields, rows in (
        (RollupRow, INSERT_FIELDS, stored + LATER),
        (FactRow, FIELDS, waiting),
    ):
        table.delete().execute(database)
        if rows:
            columns = [getattr(table, name) for name in fields]
            table.insert_many(rows, fields=columns).execute(database)
    rows = [row[1:] for row in stored] + waiting
    for audiences in (None, ["T1"], ["T1/C1", "T1"]):
        by_key: defaultdict[tuple[str, str], list[Any]] = defaultdict(list)
        for _, dimension, key, audience, _, *figures in rows:
            if audiences is None or audience in audiences:
                by_key[dimension, key].append(figures)
        found = statistics(
            database, since=FIRST, until=FIRST + 4 * HOUR_NS, by="user", audiences=audiences
        )
        every = [
            row for (dimension, _), some in by_key.items() if dimension == "all" for row in some
        ]
        assert found.total == plain("", every)
        assert {group.key: group for group in found.groups} == {
            key: plain(key, some)
            for (dimension, key), some in by_key.items()
            if dimension == "user"
        }


def test_counts_beyond_what_the_database_can_add_up_do_not_end_statistics(
    database: Database,
) -> None:
    RollupRow.delete().execute(database)
    FactRow.delete().execute(database)
    columns = [getattr(RollupRow, name) for name in INSERT_FIELDS]
    figures = (1, 0, 2**62, *[0] * (len(SUMS) - 3))
    rows = [
        ("hour", FIRST + hour * HOUR_NS, "all", "", "T1", "T1", *figures, None) for hour in range(3)
    ]
    RollupRow.insert_many([*rows, *LATER], fields=columns).execute(database)
    found = statistics(database, since=FIRST, until=FIRST + 4 * HOUR_NS)
    assert (found.total.traces, found.total.input_tokens) == (3, 3 * 2**62)


BERLIN, NEW_YORK, KOLKATA = "Europe/Berlin", "America/New_York", "Asia/Kolkata"


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 10**9


def store(database: Database, *rows: tuple[str, str, int]) -> None:
    """Store rollups of everything: level, start and traces; or since when a level is kept."""
    RollupRow.delete().execute(database)
    FactRow.delete().execute(database)
    columns = [getattr(RollupRow, name) for name in INSERT_FIELDS]
    rest = (*[0] * (len(SUMS) - 1), None)
    places = [
        (MARK, at(start), level.split()[0], "", "", "")
        if "since" in level
        else (level, at(start), "all", "", "" if level == "hour" else EVERYONE, "")
        for level, start, _ in rows
    ]
    stored = [(*place, row[-1], *rest) for place, row in zip(places, rows, strict=True)]
    RollupRow.insert_many(stored, fields=columns).execute(database)


def days(database: Database, since: str, until: str, time_zone: str) -> list[tuple[str, int]]:
    found = statistics(database, since=at(since), until=at(until), by="day", time_zone=time_zone)
    assert found.total.traces == sum(group.traces for group in found.groups)
    zone = ZoneInfo(time_zone)
    return [
        (f"{datetime.fromtimestamp(int(group.key) / 10**9, zone):%d %H:%M}", group.traces)
        for group in found.groups
    ]


@pytest.mark.parametrize(
    ("time_zone", "expected"),
    [
        ("UTC", [("24 00:00", 1), ("25 00:00", 6), ("26 00:00", 8)]),
        (BERLIN, [("24 00:00", 1), ("25 00:00", 2), ("26 00:00", 12)]),
        (NEW_YORK, [("24 00:00", 3), ("25 00:00", 12)]),
        # An hour belongs to the day in which it begins, also where days begin within an hour.
        (KOLKATA, [("24 00:00", 1), ("25 00:00", 2), ("26 00:00", 12)]),
    ],
)
def test_days_are_those_of_the_readers_zone(
    database: Database, time_zone: str, expected: list[tuple[str, int]]
) -> None:
    hours = ("24T12", "25T04", "25T23", "26T04", "26T12")
    kept = [("hour", f"2026-11-{hour}:00Z", 2**n) for n, hour in enumerate(hours)]
    per_day = [("day", "2026-11-24T00:00Z", 1), ("day", "2026-11-25T00:00Z", 6)]
    store(database, *kept, *per_day)
    assert days(database, "2026-11-24T06:00Z", "2026-11-26T12:00Z", time_zone) == expected


def test_the_days_when_the_clock_changes_have_23_and_25_hours(database: Database) -> None:
    store(
        database,
        *[("hour", f"2026-03-28T{hour}:00Z", 1) for hour in (22, 23)],
        *[("hour", f"2026-03-29T{hour}:00Z", 10) for hour in (21, 22)],
        *[("hour", f"2026-10-25T{hour}:00Z", 100) for hour in (22, 23)],
    )
    shown = days(database, "2026-03-28T20:00Z", "2026-10-26T03:00Z", BERLIN)
    assert shown == [
        *(("28 00:00", 1), ("29 00:00", 11), ("30 00:00", 10)),
        *(("25 00:00", 100), ("26 00:00", 100)),
    ]


def test_local_days_begin_where_hours_begin_to_be_kept(database: Database) -> None:
    store(
        database,
        ("day since", "2026-11-01T00:00Z", 0),
        ("hour since", "2026-11-20T00:00Z", 0),
        ("month", "2026-10-01T00:00Z", 50),
        ("day", "2026-11-19T00:00Z", 7),
        *[("hour", f"2026-11-20T{hour}:00Z", 1) for hour in ("02", "12")],
    )
    # The 19th of UTC, then what is left of New York's 19th, then its 20th.
    assert days(database, "2026-10-05T00:00Z", "2026-11-21T00:00Z", NEW_YORK) == [
        *(("30 20:00", 50), ("18 19:00", 7)),
        *(("19 19:00", 1), ("20 00:00", 1)),
    ]


@pytest.mark.parametrize("later", ["nothing", "an hour", "a fact"])
def test_a_period_ends_within_its_last_day_only_if_something_later_is_stored(
    database: Database, later: str
) -> None:
    hours = [("hour", f"2026-11-25T{hour}:00Z", 1) for hour in ("09", "10", "14")]
    stored = hours[: 3 if later == "an hour" else 2]
    store(database, *stored, ("day", "2026-11-25T00:00Z", len(stored)))
    if later == "a fact":
        columns = [getattr(FactRow, name) for name in FIELDS]
        fact = (at("2026-11-25T14:00Z"), "all", "", "", "", 1, *[0] * (len(SUMS) - 1), None)
        FactRow.insert_many([fact], fields=columns).execute(database)
    found = days(database, "2026-11-24T06:00Z", "2026-11-25T12:00Z", "UTC")
    assert found == [("25 00:00", 2)]


@pytest.mark.parametrize("audiences", [None, ["T1"], [f"T{number}" for number in range(60)]])
@pytest.mark.parametrize("length", [3, 30, 800])
def test_as_much_is_counted_if_days_are_looked_up_as_if_all_are_read(
    database: Database, audiences: list[str] | None, length: int
) -> None:
    RollupRow.delete().execute(database)
    FactRow.delete().execute(database)
    columns = [getattr(RollupRow, name) for name in INSERT_FIELDS]
    rest, last = (*[0] * (len(SUMS) - 1), None), at("2026-11-25T00:00Z")
    counts = {"T1": 1, "T90": 10, EVERYONE: 11}
    rows = [
        ("day", last - day * 24 * HOUR_NS, "all", "", audience, "", count, *rest)
        for day in range(-1, 1_000)
        for audience, count in counts.items()
    ]
    RollupRow.insert_many(rows, fields=columns).execute(database)
    found = statistics(
        database,
        since=last - (length - 1) * 24 * HOUR_NS,
        until=last + 24 * HOUR_NS,
        audiences=audiences,
    )
    assert found.total.traces == length * (1 if audiences else 11)
