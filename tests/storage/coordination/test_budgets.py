"""Budgets are kept, and know when their day, week or month begins."""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from peewee import Database

from storage.coordination.budgets import (
    Budget,
    Period,
    Spender,
    add_budget,
    budgets,
    raise_budget,
    remove_budget,
)

DOLLAR = 1_000_000
CLAUDE = Budget(
    id="3f2a1b",
    dimension="agent",
    key="claude",
    period="day",
    soft=20 * DOLLAR,
    team="T1",
    time_zone="Europe/Berlin",
    created_by="U1",
    created_at=1,
)
SPENDER = Spender(team="T1", agent="claude", channel="C1", user="U1")


def ns(text: str, zone: str = "Europe/Berlin") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * 10**9


@pytest.mark.parametrize(
    ("period", "now", "since", "until"),
    [
        ("day", "2026-11-26 17:45", "2026-11-26", "2026-11-27"),
        ("day", "2026-11-26 00:00", "2026-11-26", "2026-11-27"),
        ("day", "2026-03-29 12:00", "2026-03-29", "2026-03-30"),  # It has 23 hours.
        ("week", "2026-11-26 17:45", "2026-11-23", "2026-11-30"),
        ("week", "2026-11-29 23:59", "2026-11-23", "2026-11-30"),
        ("month", "2026-12-31 23:59", "2026-12-01", "2027-01-01"),
        ("month", "2026-02-01 00:00", "2026-02-01", "2026-03-01"),
    ],
)
def test_a_period_begins_at_local_midnight(
    period: Period, now: str, since: str, until: str
) -> None:
    assert replace(CLAUDE, period=period).period_at(ns(now)) == (ns(since), ns(until))


def test_a_budget_is_listed_raised_and_removed(database: Database) -> None:
    add_budget(database, CLAUDE)
    assert budgets(database, team="T1") == (CLAUDE,)
    assert not budgets(database, team="T2")
    raise_budget(database, CLAUDE.id, soft=30 * DOLLAR, hard=40 * DOLLAR)
    raise_budget(database, CLAUDE.id, soft=25 * DOLLAR, hard=35 * DOLLAR)
    (raised,) = budgets(database)
    assert (raised.soft, raised.hard) == (30 * DOLLAR, 40 * DOLLAR), "the higher ones stay"
    raise_budget(database, CLAUDE.id, soft=50 * DOLLAR, hard=None)
    (raised,) = budgets(database)
    assert (raised.soft, raised.hard) == (50 * DOLLAR, 50 * DOLLAR), "the hard one is not below"
    remove_budget(database, CLAUDE.id)
    assert not budgets(database)


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({}, True),
        ({"key": "codex"}, False),
        ({"team": "T2"}, False),
        ({"team": ""}, True),
        ({"dimension": "all", "key": ""}, True),
        ({"dimension": "channel", "key": "C1"}, True),
        ({"dimension": "channel", "key": "claude"}, False),
        ({"dimension": "user", "key": "U1"}, True),
    ],
)
def test_a_budget_counts_what_it_is_for(changes: dict[str, str], counts: bool) -> None:
    assert replace(CLAUDE, **changes).counts(SPENDER) == counts  # type: ignore[arg-type]
