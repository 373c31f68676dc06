"""Budgets are checked before an agent is asked, by any number of processes at once."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from peewee import Database, OperationalError

from bot.turns import budget_check
from bot.turns.budget_check import BudgetCheck
from bot.turns.budget_notice import raised
from storage.coordination.budgets import Budget, add_budget
from storage.database.models import ReservationRow
from storage.database.transactions import transaction
from storage.queries.spending import LOOKED_THROUGH, Spending
from tests.support.budget_race import ASKED, COST, HARD, MESSAGE, PROCESSES
from tests.support.paths import ROOT

BUDGET = Budget(
    id="b1", dimension="all", key="", period="day", soft=1, hard=1, created_by="U1", created_at=1
)


def test_eight_processes_pass_a_hard_limit_by_no_more_than_the_turns_that_run(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-m", "tests.support.budget_race", str(tmp_path / "tracebot.db")]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=60)
    found = json.loads(done.stdout)
    assert (found["failed"], found["reserved"]) == (0, 0)
    # What is reserved is what each turn costs here, so the limit is not passed at all. A turn that
    # is counted twice for a moment may be the last one.
    assert HARD - PROCESSES * COST <= found["spent"] <= HARD


@pytest.mark.parametrize(
    ("soft", "hard", "spent", "limit"),
    [(20, None, 20, 30), (1, None, 41, 62), (20, 25, 21, 25), (20, 50, 21, 32)],
)
def test_a_button_raises_a_budget_by_half_but_not_above_its_hard_limit(
    soft: int, hard: int | None, spent: int, limit: int
) -> None:
    dollar = 1_000_000
    budget = replace(BUDGET, soft=soft * dollar, hard=hard and hard * dollar)
    assert raised(Spending(budget, 0, 1, spent * dollar, 0)) == limit * dollar


def test_without_a_budget_for_it_a_question_reserves_nothing(database: Database) -> None:
    check = BudgetCheck(database)
    assert check.checked(ASKED, MESSAGE, trace_id="1") is ASKED
    add_budget(database, replace(BUDGET, id="b2", dimension="agent", key="codex"))
    assert check.checked(ASKED, MESSAGE, trace_id="1") is ASKED
    add_budget(database, BUDGET)
    assert check.checked(ASKED, MESSAGE, trace_id="1").agents == ASKED.agents
    assert ReservationRow.select().count(database) == 1


def test_a_check_takes_no_longer_with_more_turns_of_an_agent_without_a_price(
    database: Database, db_path: Path
) -> None:
    add_budget(database, BUDGET)
    check = BudgetCheck(database)
    counted: list[int] = []
    for number in range(1, 3):
        with transaction(database):
            database.execute_sql(ENDED, (number * 3 * LOOKED_THROUGH,))
        steps: list[None] = []
        # Called after each hundred instructions of SQLite; something true would interrupt it.
        database.connection().progress(lambda steps=steps: steps.append(None), 100)
        assert check.checked(ASKED, MESSAGE, trace_id=str(number)).agents
        database.connection().progress(None)
        counted.append(len(steps))
    assert counted[1] < 1.2 * counted[0]


ENDED = """
WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ?)
INSERT OR IGNORE INTO traces (trace_id, rooted, name, status, started_at, duration_ns, span_count,
    error_count, agent, team) SELECT 'ended' || n, 1, 'turn', 'ok', n, 1, 1, 0, 'claude', 'T1'
    FROM number
"""


def test_a_question_is_asked_if_the_database_does_not_answer(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: object, **options: object) -> None:
        raise OperationalError("disk I/O error")

    monkeypatch.setattr(budget_check, "budgets", fails)
    assert BudgetCheck(database).checked(ASKED, MESSAGE, trace_id="1") is ASKED
