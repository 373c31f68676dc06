"""Thumbs count once in the rollups: as the scores are now, whatever came first."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from peewee import Database
from playhouse.migrations import Runner

from storage.database.connect import connect
from storage.database.migrations import HERE, HISTORY
from storage.database.models import RATED_DOWN, RollupRow, TraceRow
from storage.model.batch import Batch
from storage.model.records import FEEDBACK, Score
from storage.model.retention import Retention
from storage.model.span import WITHIN, Span, own_audience
from storage.queries.statistics import Group, statistics
from storage.recovery.merging import Table, merge, recompute_summary
from storage.recovery.opening import open_database
from storage.store.batch import store
from storage.store.facts import merge_facts
from storage.store.recount import recount
from storage.store.scores import scores_of
from storage.upkeep.conversion import make_private
from storage.upkeep.retention import apply_retention

HOUR = 3_600 * 10**9
NOW = 490_000 * HOUR
numbers = count(1)

KEYS = {
    ("all", "", NOW),
    ("platform", "slack", NOW),
    ("channel", "C1", NOW),
    ("user", "U1", NOW),
    ("agent", "claude", NOW),
    ("provider", "second", NOW + HOUR),
    ("model", "large", NOW + HOUR),
}
"""Where the thumbs of `turn` count: the call that gave the answer began in the next hour."""


def turn(name: str) -> list[Span]:
    """Return the spans of a turn whose first provider failed, as they start and as they end."""
    root = Span(
        trace_id=f"{next(numbers):032x}",
        span_id=f"{1:016x}",
        name="slack message",
        started_at=NOW + 59 * 60 * 10**9,
        platform="slack",
        team=name,
        audience=name,
        channel="C1",
        user="U1",
        agent="claude",
        decision="answer",
        process="p",
    )
    failed = replace(
        root, span_id=f"{2:016x}", parent_id=root.span_id, decision=None,
        configured_provider="first", provider="first", model="small",
    )  # fmt: skip
    answer = replace(
        failed, span_id=f"{3:016x}", started_at=NOW + HOUR, configured_provider="second",
        provider="second", model="large",
    )  # fmt: skip
    reported = replace(
        answer, span_id=f"{4:016x}", parent_id=answer.span_id, configured_provider=None,
        model="tiny", input_tokens=5, process=None, attributes={WITHIN: answer.span_id},
    )  # fmt: skip
    started = [root, failed, answer]
    ended = [
        replace(
            span, status="error" if span is failed else "ok", ended_at=span.started_at + 60, 
            duration_ns=60, input_tokens=span.input_tokens or (7 if span is answer else None),
        )
        for span in (*started, replace(reported, received=True))
    ]  # fmt: skip
    return [*started, *ended]


def rated(trace_id: str, value: float | None, at: int, **fields: Any) -> Score:
    given: dict[str, Any] = {"name": FEEDBACK, "user": "U1", "label": None, "source": "button"}
    return Score(trace_id=trace_id, value=value, recorded_at=NOW + at, **given | fields)


def counted(database: Database, audience: str) -> dict[tuple[str, str, int], tuple[int, int]]:
    """Return the thumbs of each hour's rollups that have any."""
    merge_facts(database)
    query = RollupRow.select().where(RollupRow.audience == audience)
    rows = list(query.dicts().execute(database))
    by_level: dict[str, dict[Any, Any]] = {"hour": {}, "day": {}}
    for row in rows:
        thumbs = (row["thumbs_up"], row["thumbs_down"])
        if thumbs != (0, 0):
            by_level[row["level"]][row["dimension"], row["key"], row["starts_at"]] = thumbs
    days = {
        (*key[:2], key[2] - key[2] % (24 * HOUR)): found for key, found in by_level["hour"].items()
    }
    assert by_level["day"] == days
    return by_level["hour"]


def expected(scores: Sequence[Score], keys: set[tuple[str, str, int]] = KEYS) -> dict[Any, Any]:
    """Return what the rollups have to hold, told without the code that keeps them."""
    said: dict[tuple[str, str], Score] = {}
    for score in sorted(scores, key=lambda score: score.recorded_at):
        said[score.user, score.source] = score
    last: dict[str, float] = {}
    for score in sorted(said.values(), key=lambda score: score.recorded_at):
        if score.value is not None:
            last[score.user] = score.value
    thumbs = (list(last.values()).count(1.0), list(last.values()).count(0.0))
    return {} if thumbs == (0, 0) else dict.fromkeys(keys, thumbs)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    opened = open_database(tmp_path_factory.mktemp("thumbs") / "t.db")
    yield opened
    opened.close()


def put(database: Database, *items: Span | Score) -> None:
    """Store the items in one batch."""
    spans = [replace(item) for item in items if isinstance(item, Span)]
    scores = [item for item in items if isinstance(item, Score)]
    assert store(database, Batch(f"p{next(numbers)}", 1, spans=spans, scores=scores))


presses = st.tuples(
    st.sampled_from(["U1", "U2"]),
    st.sampled_from(["button", "1.0:+1", "1.0:-1"]),
    st.sampled_from([1.0, 0.0, None]),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(presses, max_size=8), st.randoms(use_true_random=False))
def test_rollups_equal_the_scores_in_whatever_order_both_and_the_turn_arrive(
    database: Database, pressed: list[Any], chance: random.Random
) -> None:
    name = f"T{next(numbers)}"
    spans = turn(name)
    trace_id = spans[0].trace_id
    scores = [
        rated(trace_id, value, at, user=user, source=source)
        for at, (user, source, value) in enumerate(pressed)
    ]
    # The starts of spans come before their ends; everything else in any order, some of it twice.
    arriving: list[Span | Score] = [*scores, *chance.sample(scores, len(scores) // 2)]
    chance.shuffle(arriving)
    places = sorted(chance.choices(range(len(arriving) + 1), k=len(spans)))
    for number, (place, span) in enumerate(zip(places, spans, strict=True)):
        arriving.insert(place + number, span)
    while arriving:
        size = chance.randrange(1, 7)
        put(database, *arriving[:size])
        del arriving[:size]
    assert counted(database, name) == expected(scores)
    anew = recount(database, [trace_id], audiences=[name])
    assert {
        (dimension, key, starts_at): (added.thumbs_up, added.thumbs_down)
        for (level, starts_at, dimension, key, *_), added in anew.items()
        if level == "hour" and (added.thumbs_up or added.thumbs_down)
    } == expected(scores)
    recompute_summary(database, trace_id)
    put(database, spans[-1])
    assert counted(database, name) == expected(scores)


def thumbs(database: Database, by: str | None = None, **asked: Any) -> list[tuple[str, int, int]]:
    found = statistics(database, since=NOW, until=NOW + 2 * HOUR, by=by, **asked)
    groups: Sequence[Group] = found.groups if by else [found.total]
    return [(group.key, group.thumbs_up, group.thumbs_down) for group in groups]


def test_removing_the_last_of_two_reactions_restores_the_other(tmp_path: Path) -> None:
    database = open_database(tmp_path / "t.db")
    spans = turn("T1")
    trace_id = spans[0].trace_id
    up, down = (rated(trace_id, 1.0, 1, source="a"), rated(trace_id, 0.0, 2, source="b"))
    put(database, *spans, up, down)
    assert thumbs(database) == [("", 0, 1)]
    put(database, rated(trace_id, None, 3, source="b"))
    assert thumbs(database) == [("", 1, 0)]
    put(database, rated(trace_id, None, 4, source="a"))
    assert thumbs(database) == [("", 0, 0)]
    assert scores_of(database, [trace_id]) == []
    database.close()


def test_thumbs_count_for_the_call_that_answered_and_stay_when_retention_removes_the_trace(
    tmp_path: Path,
) -> None:
    database = open_database(tmp_path / "t.db")
    spans = turn("T1")
    put(database, *spans, rated(spans[0].trace_id, 0.0, 1))
    put(database, rated(spans[0].trace_id, 1.0, 1, name="accuracy"))  # By a program: no thumb.
    for _ in range(2):
        assert thumbs(database, by="provider") == [("first", 0, 0), ("second", 0, 1)]
        assert ("large", 0, 1) in thumbs(database, by="model")
        assert thumbs(database, by="agent", audiences=["T1"]) == [("claude", 0, 1)]
        apply_retention(database, Retention(older_than_ns=HOUR), now=NOW + 9 * HOUR)
    assert TraceRow.select().count(database) == 0
    # Its trace will not come again, so the score goes as soon as it is old enough.
    put(database, rated(spans[0].trace_id, None, 2))
    apply_retention(database, Retention(older_than_ns=HOUR), now=NOW + 9 * HOUR)
    assert database.execute_sql("SELECT count(*) FROM scores").fetchone() == (0,)
    assert thumbs(database) == [("", 0, 1)]
    database.close()


def test_thumbs_move_to_the_members_of_a_channel_that_becomes_private(tmp_path: Path) -> None:
    database = open_database(tmp_path / "t.db")
    spans = turn("T1")
    put(database, *spans, rated(spans[0].trace_id, 0.0, 1))
    make_private(database, team="T1", channel="C1")
    assert counted(database, "T1") == {}
    put(database, rated(spans[0].trace_id, 1.0, 2))
    own = own_audience("T1", "C1")
    assert counted(database, own) == dict.fromkeys(KEYS, (1, 0))
    assert thumbs(database, audiences=["T1"]) == [("", 0, 0)]
    assert thumbs(database, channel="C1", audiences=[own]) == [("", 1, 0)]
    database.close()


def test_a_skipped_message_has_a_score_and_no_place_in_statistics(tmp_path: Path) -> None:
    database = open_database(tmp_path / "t.db")
    skipped = [replace(span, decision="skip") for span in turn("T1") if span.parent_id is None]
    put(database, *skipped, rated(skipped[0].trace_id, 1.0, 1))
    assert thumbs(database) == [("", 0, 0)]
    database.close()


def test_lists_find_rated_traces_by_an_index(database: Database) -> None:
    query = TraceRow.select().where(RATED_DOWN).order_by(TraceRow.started_at.desc()).limit(10)
    plan = database.execute_sql(f"EXPLAIN QUERY PLAN {query.sql()[0]}", (10,)).fetchall()
    assert "thumbs_down" in str(plan), plan


def test_a_database_that_only_stored_scores_counts_them_with_its_migration(tmp_path: Path) -> None:
    new = open_database(tmp_path / "new.db")
    spans = turn("T1")
    put(new, *spans, rated(spans[0].trace_id, 1.0, 1, source=""))
    put(new, rated(spans[0].trace_id, 0.0, 2, user="U2", source=""))
    old = connect(tmp_path / "old.db")
    Runner(old, str(HERE), table_name=HISTORY).up("0010_facts")
    put_old(new, old, spans[0].trace_id)
    old.close()
    migrated = open_database(tmp_path / "old.db")
    assert counted(migrated, "T1") == counted(new, "T1") == dict.fromkeys(KEYS, (1, 1))
    put(migrated, rated(spans[0].trace_id, None, 3, source=""))
    assert thumbs(migrated) == [("", 0, 1)]
    for each in (new, migrated):
        each.close()


def put_old(new: Database, old: Database, trace_id: str) -> None:
    """Copy the trace and its scores into the tables of an earlier version."""
    for name in ("spans", "traces", "scores"):
        columns = [column.name for column in old.get_columns(name)]
        names = ", ".join(f'"{column}"' for column in columns)
        rows = new.execute_sql(f"SELECT {names} FROM {name} WHERE trace_id = ?", (trace_id,))
        marks = ", ".join("?" for _ in columns)
        for row in rows.fetchall():
            old.execute_sql(f"INSERT INTO {name} ({names}) VALUES ({marks})", row)


@pytest.mark.parametrize("known", [True, False])
def test_a_salvaged_database_counts_thumbs_of_before_and_after_once(
    tmp_path: Path, known: bool
) -> None:
    """The damaged database has a 👍 that was taken back since, and one that stays."""
    damaged, new = open_database(tmp_path / "damaged.db"), open_database(tmp_path / "new.db")
    spans = turn("T1")
    trace_id = spans[0].trace_id
    put(damaged, *spans, rated(trace_id, 1.0, 1), rated(trace_id, 1.0, 2, user="U2"))
    put(new, *(spans if known else ()), rated(trace_id, None, 3))
    put(new, rated(trace_id, 0.0, 4, user="U3"))
    merge_facts(damaged)
    for name in ("spans", "scores", "traces", "rollups"):
        columns = tuple(column.name for column in damaged.get_columns(name))
        table = Table(name, columns)
        rows = damaged.execute_sql(f"SELECT {table.quoted} FROM {name}").fetchall()
        with new.atomic():
            merge(new, table, rows)
    assert counted(new, "T1") == dict.fromkeys(KEYS, (1, 1))
    for each in (damaged, new):
        each.close()
