"""What was spent of a budget is told with what running turns will add."""

from collections.abc import Collection
from dataclasses import replace

import pytest
from peewee import Database

from storage import Observability
from storage.coordination.budgets import Budget, Spender
from storage.coordination.process_identity import this_process
from storage.coordination.reservations import (
    LONGEST_NS,
    Reservation,
    remove_ended,
    reservations,
    reserve,
)
from storage.database.models import ReservationRow, RollupRow
from storage.database.transactions import transaction
from storage.model.retention import Folding
from storage.model.span import own_audience
from storage.queries.spending import spending, usual_cost
from storage.store.facts import merge_facts
from storage.upkeep.folding import fold
from tests.support.factories import (
    ALICE,
    BOB,
    CALL,
    GENERAL,
    MINUTE,
    NOW,
    SECRET,
    TEAM,
    record,
    said,
)
from tests.support.spending import spend

DAY = 24 * 60 * MINUTE
BUDGET = Budget(
    id="b1",
    dimension="agent",
    key="claude",
    period="day",
    soft=1_000,
    team=TEAM,
    created_by=ALICE,
    created_at=0,
)
IN_SECRET = {TEAM, own_audience(TEAM, SECRET)}
SPENDER = Spender(team=TEAM, agent="claude", channel=GENERAL, user=ALICE)


def total(database: Database, budget: Budget) -> int:
    return spending(database, budget, reservations(database, now=NOW), now=NOW).total


def test_a_budget_adds_up_what_it_is_for_in_its_period(observability: Observability) -> None:
    spend(observability, 100)
    spend(observability, 20, channel=SECRET, user=BOB)
    spend(observability, 3, agent="codex")
    spend(observability, 4_000, team="T2", audience="T2")
    spend(observability, 50_000, ago=DAY)
    spend(observability, 600_000, ago=8 * DAY)
    observability.flush()
    database = observability.database
    expected = {
        BUDGET: 120,
        replace(BUDGET, dimension="all", key=""): 123,
        replace(BUDGET, dimension="all", key="", team=""): 4_123,
        replace(BUDGET, dimension="channel", key=SECRET): 20,
        replace(BUDGET, dimension="user", key=ALICE): 103,
        replace(BUDGET, period="week"): 120,  # It is Monday.
        replace(BUDGET, period="month"): 650_120,
        replace(BUDGET, period="month", team=""): 654_120,
    }
    as_facts = {budget: total(database, budget) for budget in expected}
    merge_facts(database)
    as_rollups = {budget: total(database, budget) for budget in expected}
    fold(database, Folding(hours_ns=DAY, days_ns=60 * DAY), now=NOW)
    as_days = {budget: total(database, budget) for budget in expected}
    assert as_facts == as_rollups == as_days == expected


def test_a_budget_of_a_workspace_leaves_out_what_began_outside_slack(
    observability: Observability,
) -> None:
    database = observability.database
    of_team = replace(BUDGET, dimension="all", key="")
    # As a message that was deleted before it was decided who may see its trace.
    record(observability, "slack message", team=TEAM, platform="slack", ago=MINUTE, ms=40)
    observability.flush()
    merge_facts(database)
    query = {**CALL, "agent": "claude", "cost": 90, "cost_source": "reported"}
    record(observability, "query", platform="cli", ago=MINUTE, ms=20, **query)
    observability.flush()
    assert total(database, of_team) == 0
    merge_facts(database)
    assert total(database, of_team) == 0
    assert total(database, replace(of_team, team="")) == 90
    RollupRow.update(team=TEAM).where(RollupRow.audience == "").execute(database)
    assert total(database, of_team) == 0, "as an earlier version stored it"


def test_a_reservation_ends_with_its_turn_in_one_step(observability: Observability) -> None:
    database = observability.database
    root = observability.start_span("slack message", said(GENERAL, ALICE, "why?", agent="claude"))
    with transaction(database):
        reserved = Reservation(SPENDER, 70)
        reserve(database, reserved, trace_id=root.trace_id, process=this_process(), now=NOW)
    observability.flush()
    assert total(database, BUDGET) == 70
    assert total(database, replace(BUDGET, key="codex")) == 0
    for cost, expected in ((40, 70), (50, 90)):
        call = {**CALL, "cost": cost, "cost_source": "reported"}
        started = NOW - MINUTE
        observability.start_span("attempt", call, parent=root, started_at=started).end(NOW)
        observability.flush()
        assert total(database, BUDGET) == expected
    root.end()
    observability.flush()
    assert total(database, BUDGET) == 90
    with transaction(database):
        remove_ended(database, now=NOW)
    assert not ReservationRow.select().count(database)


def test_the_reservations_of_several_agents_stand_until_their_turn_ends(
    observability: Observability,
) -> None:
    database = observability.database
    root = observability.start_span("slack message", said(GENERAL, ALICE, "why?", agent="claude"))
    with transaction(database):
        for agent in ("claude", "codex"):
            reserved = Reservation(replace(SPENDER, agent=agent), 70)
            reserve(database, reserved, trace_id=root.trace_id, process=this_process(), now=NOW)
    call = {**CALL, "cost": 40, "cost_source": "reported"}
    observability.start_span("attempt", call, parent=root, started_at=NOW - MINUTE).end(NOW)
    observability.flush()
    assert total(database, BUDGET) == 110
    assert total(database, replace(BUDGET, key="codex")) == 70, "claude has spent, codex has not"
    root.end()
    observability.flush()
    assert total(database, BUDGET) == 40


@pytest.mark.parametrize("ends", ["process", "time"])
def test_a_reservation_ends_with_its_process_or_after_a_day(database: Database, ends: str) -> None:
    process = "gone:1:1" if ends == "time" else this_process().rpartition(":")[0] + ":1"
    with transaction(database):
        reserve(database, Reservation(SPENDER, 70), trace_id="1", process=process, now=NOW)
    later = NOW + (LONGEST_NS if ends == "time" else 0)
    assert not reservations(database, now=later)
    with transaction(database):
        remove_ended(database, now=later)
    assert not ReservationRow.select().count(database)


def test_the_usual_cost_is_the_median_in_this_channel_else_everywhere(
    observability: Observability,
) -> None:
    for cost in (10, 30, 1_000):
        spend(observability, cost)
    spend(observability, 5, channel=SECRET)
    observability.flush()
    database = observability.database
    usual = {
        channel: usual_cost(database, agent="claude", channel=channel, audiences=audiences)
        for channel, audiences in ((GENERAL, {TEAM}), (SECRET, IN_SECRET))
    }
    assert usual == {GENERAL: 30, SECRET: 20}
    assert usual_cost(database, agent="codex", channel=GENERAL, audiences={TEAM}) is None


def test_the_usual_cost_is_not_that_of_conversations_of_others(
    observability: Observability,
) -> None:
    spend(observability, 5, channel=SECRET)
    spend(observability, 7, channel="C0OTHER")
    observability.flush()

    def usual(audiences: Collection[str], *, here_only: bool = False) -> int | None:
        return usual_cost(
            observability.database,
            agent="claude",
            channel=GENERAL,
            audiences=audiences,
            here_only=here_only,
        )

    assert (usual({TEAM}), usual(IN_SECRET)) == (7, 6)
    assert usual({TEAM}, here_only=True) is None, "others read only what is asked here"
    assert (usual({"T2"}), usual(())) == (None, None)


def test_the_usual_cost_is_that_of_the_newest_turns_whose_cost_is_known(
    observability: Observability, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.queries.spending.LOOKED_THROUGH", 3)
    database = observability.database
    usual = []
    spend(observability, 10, ago=2 * MINUTE)
    for _ in range(3):
        record(observability, "turn", ago=MINUTE, ms=1, agent="claude", team=TEAM, audience=TEAM)
        observability.flush()
        usual.append(usual_cost(database, agent="claude", channel=GENERAL, audiences={TEAM}))
    assert usual == [10, 10, None]
