"""Statistics that SQL adds up are the same as those of all rows, one by one."""

import struct
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peewee import Database

from storage.database.models import FactRow, RollupRow
from storage.queries.statistics import Group, statistics
from storage.recovery.opening import open_database
from storage.store.facts import FIELDS
from storage.store.grains import HOUR_NS
from storage.store.histogram import Histogram, extended, listed
from storage.store.rollups import INSERT_FIELDS, SUMS

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


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(st.lists(rollup, max_size=25, unique_by=lambda row: row[:5]), st.lists(fact, max_size=8))
def test_statistics_added_up_in_sql_are_those_of_each_row(
    database: Database, stored: list[Any], waiting: list[Any]
) -> None:
    for table, fields, rows in ((RollupRow, INSERT_FIELDS, stored), (FactRow, FIELDS, waiting)):
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
    RollupRow.insert_many(rows, fields=columns).execute(database)
    found = statistics(database, since=FIRST, until=FIRST + 4 * HOUR_NS)
    assert (found.total.traces, found.total.input_tokens) == (3, 3 * 2**62)
