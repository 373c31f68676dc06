"""A channel that became private: what is stored of it is as if it had been private all along."""

import random
import time
from dataclasses import replace
from functools import cache
from math import log
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from peewee import Database

from storage.database.models import RollupRow, SpanRow, TraceRow
from storage.model.batch import Batch
from storage.model.retention import OTHERS, Folding, Retention
from storage.model.span import WITHIN, Span, own_audience
from storage.queries.removed_traces import removed_traces
from storage.queries.statistics import statistics
from storage.recovery.opening import open_database
from storage.store.batch import store
from storage.store.facts import merge_facts
from storage.store.histogram import Histogram
from storage.store.rollups import KEY_FIELDS, SUMS
from storage.upkeep import folding
from storage.upkeep.conversion import ChannelConversions, make_private, make_public
from storage.upkeep.retention import apply_retention
from tests.support.factories import NOW

TEAM, OPEN, CLOSED = "T1", "C0OPEN", "C0CLOSED"
OWN = own_audience(TEAM, CLOSED)
HOUR = 3_600 * 1_000_000_000


def turn(number: int, channel: str, dice: random.Random, *, audience: str) -> list[Span]:
    """Return the spans of one turn, some with telemetry of the agent's own."""
    started_at = NOW + dice.randrange(40) * HOUR
    duration = dice.randrange(1, 60_000) * 1_000_000
    root = Span(
        trace_id=f"{number:032x}",
        span_id=f"{1:016x}",
        name="slack message",
        started_at=started_at,
        ended_at=started_at + duration,
        duration_ns=duration,
        status=dice.choice(["ok", "ok", "error"]),
        platform="slack",
        audience=audience,
        team=TEAM,
        channel=channel,
        user=dice.choice(["U1", "U2"]) if channel == OPEN else "U3",
        agent="claude",
        decision="answer",
        text="hello",
    )
    below = replace(root, parent_id=root.span_id, text=None)
    decide = replace(below, span_id=f"{2:016x}", name="decide", reason="mentioned")
    spent = dice.choice([{}, {"input_tokens": 7, "output_tokens": 3, "cost": 12}])
    attempt = replace(
        below, span_id=f"{3:016x}", name="attempt", configured_provider="x", provider="x",
        model="m", **spent,
    )  # fmt: skip
    request = replace(
        below, span_id=f"{4:016x}", name="chat", received=True, model="m", input_tokens=5,
        attributes={WITHIN: attempt.span_id},
    )  # fmt: skip
    return [root, decide, attempt, *([request] if dice.random() < 0.5 else [])]


@cache
def filled_file(audience: str) -> bytes:
    """Return a database file with turns of two channels, those of CLOSED with this audience."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "t.db"
        database = open_database(path)
        dice = random.Random(7)
        for number in range(1, 301):
            channel = dice.choice([OPEN, CLOSED])
            its = audience if channel == CLOSED else TEAM
            store(database, Batch("p", number, spans=turn(number, channel, dice, audience=its)))
        database.close()
        assert not path.with_name("t.db-wal").exists()  # All is in the file.
        return path.read_bytes()


def filled(path: Path, *, audience: str) -> Database:
    path.write_bytes(filled_file(audience))
    return open_database(path)


def rollups(database: Database) -> dict[Any, Any]:
    """Return the rows, with the shortest and longest latency in buckets of 2%."""
    merge_facts(database)
    found = {}
    for row in RollupRow.select().dicts().execute(database):
        histogram = Histogram([row["latency"]] if row["latency"] else [])
        ends = [round(log(histogram.quantile(q) or 1.0, 1.05)) for q in (0.0, 1.0)]
        key = tuple(row[name] for name in KEY_FIELDS)
        found[key] = ([row[name] for name in ("team", *SUMS)], histogram.count, ends)
    return found


def alike(one: dict[Any, Any], other: dict[Any, Any]) -> None:
    assert one.keys() == other.keys()
    for key, (sums, count, ends) in one.items():
        assert (sums, count) == other[key][:2]
        assert ends == pytest.approx(other[key][2], abs=1)


def audiences(database: Database) -> list[Any]:
    return [
        sorted(
            table.select(table.trace_id, table.channel, table.audience).tuples().execute(database)
        )
        for table in (SpanRow, TraceRow)
    ]


def test_its_past_is_as_if_it_had_been_private_all_along(tmp_path: Path) -> None:
    converted = filled(tmp_path / "converted.db", audience=TEAM)
    private = filled(tmp_path / "private.db", audience=OWN)
    assert make_private(converted, team=TEAM, channel=CLOSED)
    assert audiences(converted) == audiences(private)
    alike(rollups(converted), rollups(private))
    assert make_private(converted, team=TEAM, channel=CLOSED)
    alike(rollups(converted), rollups(private))
    for database in (converted, private):
        database.close()


def fold(database: Database, *, days: int = 500) -> None:
    merge_facts(database)
    folding.fold(database, Folding(), now=NOW + days * 24 * HOUR)


@pytest.mark.parametrize(
    ("days", "level", "unfinished"),
    [(40, "day", False), (500, "month", False), (500, "month", True)],
)
def test_its_folded_past_is_as_if_it_had_been_private_all_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int, level: str, unfinished: bool
) -> None:
    converted = filled(tmp_path / "converted.db", audience=TEAM)
    private = filled(tmp_path / "private.db", audience=OWN)
    with monkeypatch.context() as patch:
        if unfinished:
            patch.setattr(folding, "_each_few", lambda database, groups, change: 0)
        fold(converted, days=days)
    assert make_private(converted, team=TEAM, channel=CLOSED)
    for database in (converted, private):
        fold(database, days=days)
    assert {key[0] for key in rollups(private)} == {level, "folded"}
    alike(rollups(converted), rollups(private))
    for database in (converted, private):
        database.close()


def test_who_is_only_counted_among_others_moves_with_the_channel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = filled(tmp_path / "a.db", audience=TEAM)
    monkeypatch.setattr(folding, "NAMED", 1)
    fold(database)

    def traces(*seen: str) -> dict[str, int]:
        until = NOW + 50 * HOUR
        found = statistics(database, since=NOW, until=until, by="user", audiences=seen)
        assert sum(group.traces for group in found.groups) == found.total.traces
        return {group.key: group.traces for group in found.groups}

    before = traces(TEAM)
    assert before.keys() == {"U3", OTHERS}, "U1 and U2 are only in OPEN"
    make_private(database, team=TEAM, channel=OPEN)
    assert traces(TEAM) == {"U3": before["U3"]}
    own = traces(own_audience(TEAM, OPEN))
    assert (own.keys(), sum(own.values())) == ({"U1", "U2"}, before[OTHERS])
    database.close()


def test_statistics_of_the_team_name_neither_the_channel_nor_who_was_only_there(
    tmp_path: Path,
) -> None:
    database = filled(tmp_path / "a.db", audience=TEAM)
    until = NOW + 50 * HOUR

    def keys(by: str, *seen: str) -> set[str]:
        found = statistics(database, since=NOW, until=until, by=by, audiences=seen)
        return {group.key for group in found.groups}

    assert keys("channel", TEAM) == {OPEN, CLOSED}
    make_private(database, team=TEAM, channel=CLOSED)
    assert keys("channel", TEAM) == {OPEN}
    assert keys("user", TEAM) == {"U1", "U2"}
    assert keys("channel", OWN) == {CLOSED}
    assert keys("user", OWN) == {"U3"}
    everything = statistics(database, since=NOW, until=until, by="channel")
    assert {group.key for group in everything.groups} == {OPEN, CLOSED}
    database.close()


def test_what_is_stored_late_is_private_too(tmp_path: Path) -> None:
    """A turn that ran when the channel was converted, or waited in the spool."""
    database = filled(tmp_path / "a.db", audience=TEAM)
    dice = random.Random(1)
    begun, *steps = turn(1_000, CLOSED, dice, audience=TEAM)
    running = replace(begun, status="running", ended_at=None, duration_ns=None)
    store(database, Batch("q", 1, spans=[running]))
    make_private(database, team=TEAM, channel=CLOSED)
    store(database, Batch("q", 2, spans=[begun, *steps], resumed={begun.span_id}))
    store(database, Batch("q", 3, spans=turn(1_001, CLOSED, dice, audience=TEAM)))
    assert not list(
        SpanRow.select()
        .where(SpanRow.channel == CLOSED, SpanRow.audience == TEAM)
        .execute(database)
    )
    late = statistics(database, since=NOW, until=NOW + 50 * HOUR, by="channel", audiences=[TEAM])
    assert [group.key for group in late.groups] == [OPEN]
    make_public(database, team=TEAM, channel=CLOSED)
    store(database, Batch("q", 4, spans=turn(1_002, CLOSED, dice, audience=TEAM)))
    public = SpanRow.select().where(SpanRow.channel == CLOSED, SpanRow.audience == TEAM)
    assert {row.trace_id for row in public.execute(database)} == {f"{1_002:032x}"}
    database.close()


@pytest.mark.parametrize("folded", [False, True])
def test_what_retention_removed_moves_as_far_as_it_can_be_told_apart(
    tmp_path: Path, folded: bool
) -> None:
    database = filled(tmp_path / "a.db", audience=TEAM)
    if folded:
        fold(database)
    total = statistics(database, since=NOW, until=NOW + 50 * HOUR, audiences=[TEAM]).total
    apply_retention(database, Retention(older_than_ns=HOUR), now=NOW + 100 * HOUR)
    assert not TraceRow.select().count(database)
    ChannelConversions(database, team=TEAM).follow({OPEN: True, CLOSED: False})
    seen = statistics(database, since=NOW, until=NOW + 50 * HOUR, by="channel", audiences=[TEAM])
    assert [group.key for group in seen.groups] == [OPEN]
    assert seen.total.traces == total.traces
    removed = removed_traces(database, "0000", limit=1_000)
    assert {each.audience for each in removed if each.channel == CLOSED} == {OWN}
    assert {each.audience for each in removed if each.channel == OPEN} == {TEAM}
    database.close()


def test_a_channel_of_another_team_with_the_same_id_stays(tmp_path: Path) -> None:
    database = filled(tmp_path / "a.db", audience=TEAM)
    dice = random.Random(1)
    other = [
        replace(span, team="T2", audience="T2") for span in turn(1_000, CLOSED, dice, audience=TEAM)
    ]
    store(database, Batch("q", 1, spans=other))
    make_private(database, team=TEAM, channel=CLOSED)
    seen = statistics(database, since=NOW, until=NOW + 50 * HOUR, by="channel", audiences=["T2"])
    assert [(group.key, group.traces) for group in seen.groups] == [(CLOSED, 1)]
    database.close()


def test_conversions_are_noticed_by_comparing_channels_with_what_is_stored(tmp_path: Path) -> None:
    database = filled(tmp_path / "a.db", audience=TEAM)
    conversions = ChannelConversions(database, team=TEAM)
    conversions.follow({OPEN: True, CLOSED: True})
    assert {audience for _, _, audience in audiences(database)[1]} == {TEAM}
    conversions.follow({OPEN: True, CLOSED: False})
    assert {audience for _, _, audience in audiences(database)[1]} == {TEAM, OWN}
    assert conversions.once_private == frozenset()
    before = audiences(database)
    conversions.follow({OPEN: True, CLOSED: True})
    assert conversions.once_private == {CLOSED}
    assert audiences(database) == before, "what was private stays private"
    database.close()


def test_channels_that_an_old_month_does_not_name_are_not_taken_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = filled(tmp_path / "a.db", audience=TEAM)
    monkeypatch.setattr(folding, "NAMED", 0)
    fold(database)
    old = statistics(database, since=NOW, until=NOW + 50 * HOUR, by="channel", audiences=[TEAM])
    assert [group.key for group in old.groups] == [OTHERS]
    store(database, Batch("q", 1, spans=turn(1_000, OPEN, random.Random(1), audience=TEAM)))
    assert ChannelConversions(database, team=TEAM).counted() == {OPEN}
    database.close()


def test_a_long_past_moves_step_by_step_and_its_name_at_once(tmp_path: Path) -> None:
    stopped = filled(tmp_path / "stopped.db", audience=TEAM)
    private = filled(tmp_path / "private.db", audience=OWN)
    steps = 0
    while not make_private(stopped, team=TEAM, channel=CLOSED, until=time.monotonic() + 0.001):
        steps += 1
        seen = statistics(stopped, since=NOW, until=NOW + 50 * HOUR, by="channel", audiences=[TEAM])
        assert [group.key for group in seen.groups] == [OPEN]
    assert steps
    alike(rollups(stopped), rollups(private))
    for database in (stopped, private):
        database.close()


def test_those_who_ask_meanwhile_do_not_wait_for_a_long_past(tmp_path: Path) -> None:
    database = filled(tmp_path / "a.db", audience=TEAM)
    conversions = ChannelConversions(database, team=TEAM)
    assert not conversions.follow({OPEN: True, CLOSED: False}, patience_s=0.0)
    assert conversions.follow({OPEN: True, CLOSED: False})
    assert conversions.follow({OPEN: True, CLOSED: False}, patience_s=0.0)
    database.close()
