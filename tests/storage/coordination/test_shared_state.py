"""What one process decides, the others see when they next look: nothing of it is cached."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from storage.coordination.alert_rules import (
    AlertRule,
    add_rule,
    alert_rules,
    alert_states,
    change_state,
    remove_rule,
)
from storage.coordination.budgets import Budget, add_budget, budgets, raise_budget, remove_budget
from storage.coordination.cancel_requests import cancel_requests, request_cancel
from storage.coordination.digest_subscriptions import (
    Subscription,
    subscribe,
    subscriptions,
    unsubscribe,
)
from storage.database.base import Database
from storage.recovery.opening import open_database

BUDGET = Budget(
    id="b1", dimension="all", key="", period="day", soft=1, hard=2, created_by="U1", created_at=1
)
RULE = AlertRule(
    id="a1", team="T1", channel="C1", condition="errors > 1", created_by="U1", created_at=1
)


@pytest.fixture
def here(db_path: Path) -> Iterator[Database]:
    with closing(open_database(db_path)) as database:
        yield database


@pytest.fixture
def there(here: Database) -> Iterator[Database]:
    """Return the database of another process, with connections of its own."""
    with closing(here.another(busy_timeout_ms=1_000)) as database:
        yield database


def test_budgets_are_those_of_the_moment(here: Database, there: Database) -> None:
    assert budgets(there) == ()
    add_budget(here, BUDGET)
    assert budgets(there) == (BUDGET,)
    raise_budget(here, "b1", soft=5, hard=7)
    assert budgets(there) == (replace(BUDGET, soft=5, hard=7),)
    remove_budget(here, "b1")
    assert budgets(there) == ()


def test_alerts_and_their_silence_are_those_of_the_moment(here: Database, there: Database) -> None:
    assert alert_rules(there) == ()
    assert add_rule(here, RULE)
    assert alert_rules(there) == (RULE,)
    assert change_state(here, "a1", lambda state: replace(state, snoozed_until=99))
    assert alert_states(there)["a1"].snoozed_until == 99
    assert remove_rule(here, "a1")
    assert alert_rules(there) == ()


def test_digests_are_those_of_the_moment(here: Database, there: Database) -> None:
    assert not subscriptions(there)
    subscribe(here, Subscription("T1", "C1", "09:00", "UTC", "U1", 1))
    assert [each.channel for each in subscriptions(there)] == ["C1"]
    assert unsubscribe(here, team="T1", channel="C1")
    assert not subscriptions(there)


def test_a_request_to_cancel_is_seen_at_once(here: Database, there: Database) -> None:
    assert cancel_requests(there, ["1"]) == {}
    request_cancel(here, "1", by="U1", now=1)
    assert cancel_requests(there, ["1", "2"]) == {"1": "U1"}
