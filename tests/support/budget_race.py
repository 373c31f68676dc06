"""Processes that ask as fast as they can, until a budget refuses each of them.

It runs in a process of its own, which forks the others before it opens anything.
"""

import json
import os
import sys
import time
from pathlib import Path

from bot.agents.types import Agent
from bot.slack.types import IncomingMessage
from bot.turns.asked import Asked
from bot.turns.budget_check import BudgetCheck
from storage import Observability
from storage.coordination.budgets import Budget, add_budget, budgets
from storage.coordination.reservations import reservations
from storage.queries.spending import spending
from tests.support.process_faults import fork, settled

PROCESSES = 8
COST, HARD = 10, 300
MESSAGE = IncomingMessage(
    team="T1",
    channel="C1",
    channel_type="channel",
    ts="2.0",
    thread_ts=None,
    user="U1",
    text="why?",
)
ASKED = Asked("why?", (Agent(name="claude", providers=()),))


def race(path: Path) -> dict[str, int]:
    """Return what was spent, and what is still reserved, once every process was refused."""
    began = time.monotonic() + 0.1
    children = [fork(lambda: _ask_on(path, began)) for _ in range(PROCESSES)]
    ended = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    settled(path)
    with Observability.open(path, platform="slack") as observability:
        database, now = observability.database, time.time_ns()
        (budget,) = budgets(database)
        left = spending(database, budget, reservations(database, now=now), now=now)
    return {"failed": sum(map(bool, ended)), "spent": left.spent, "reserved": left.reserved}


def prepare(path: Path) -> None:
    """Set a budget of a month, and record three turns, so that the usual cost is known."""
    with Observability.open(path, platform="slack") as observability:
        for _ in range(3):
            _turn(observability, BudgetCheck(observability.database))
        observability.flush()
        budget = Budget(
            id="b1",
            dimension="agent",
            key="claude",
            period="month",
            soft=HARD,
            hard=HARD,
            team="T1",
            created_by="U1",
            created_at=1,
        )
        add_budget(observability.database, budget)


def _ask_on(path: Path, began: float) -> None:
    with Observability.open(path, platform="slack") as observability:
        check = BudgetCheck(observability.database)
        time.sleep(max(began - time.monotonic(), 0))
        while _turn(observability, check):
            pass
        os._exit(0 if observability.flush(30) else 1)


def _turn(observability: Observability, check: BudgetCheck) -> bool:
    """Ask once, at a known cost; return False if the budget refuses."""
    place = {"team": "T1", "channel": "C1", "audience": "T1", "user": "U1", "agent": "claude"}
    root = observability.start_span("slack message", place)
    allowed = check.checked(ASKED, MESSAGE, trace_id=root.trace_id).agents
    if allowed:
        spent = {"configured_provider": "claude", "cost": COST, "cost_source": "reported"}
        observability.start_span("attempt", spent, parent=root).end()
    root.end()
    return bool(allowed)


if __name__ == "__main__":
    path = Path(sys.argv[1])
    prepared = fork(lambda: prepare(path))
    os.waitpid(prepared, 0)
    sys.stdout.write(json.dumps(race(path)))
