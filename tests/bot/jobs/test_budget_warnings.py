"""A budget warns once in each period, where everybody may know its amounts."""

from dataclasses import replace

import pytest
from slack_sdk.errors import SlackClientError

from bot.jobs.budget_warnings import BudgetWarnings
from bot.jobs.poster import Poster
from bot.lifecycle import Bot
from bot.sandbox import Channel, Sandbox, User
from reports.views.messages import MessageView
from reports.views.views import View
from storage import Observability
from storage.coordination.budgets import Budget, Dimension, add_budget, raise_budget
from tests.support.conversations import StartBot
from tests.support.factories import ALICE, BOB, GENERAL, MINUTE, NOW, SECRET, TEAM, FixedSight
from tests.support.spending import spend

DAY = 24 * 60 * MINUTE
BUDGET = Budget(
    id="b1",
    dimension="agent",
    key="claude",
    period="day",
    soft=1_000_000,
    team=TEAM,
    channel=GENERAL,
    created_by=ALICE,
    created_at=0,
)


def warnings(
    observability: Observability, said: list[tuple[str, str]], *, only: str | None = None
) -> BudgetWarnings:
    def post(channel: str, view: View, key: str) -> None:
        assert isinstance(view, MessageView)
        if channel == "C0GONE":
            raise SlackClientError("channel_not_found")
        said.append((channel, view.text))

    database = observability.database
    return BudgetWarnings(
        database,
        Poster(database, post=post, posted=lambda channel, key: False),
        team=TEAM,
        sight_in=lambda team, channel: FixedSight(frozenset({TEAM}), only),
        direct=lambda user: f"direct to {user}",
    )


def test_a_budget_warns_at_80_percent_once_in_each_period(observability: Observability) -> None:
    said: list[tuple[str, str]] = []
    add_budget(observability.database, BUDGET)
    spend(observability, 790_000)
    observability.flush()
    assert warnings(observability, said).send_due(now=NOW) == 0
    spend(observability, 30_000)
    observability.flush()
    for later in (0, MINUTE, 60 * MINUTE):
        warnings(observability, said).send_due(now=NOW + later)
    assert said == [
        (
            GENERAL,
            "⚠ 82% of the budget for claude is spent ($0.8200 of $1.00): used up today at about "
            "19:30 at this pace. See `/trace budget`.",
        )
    ]
    spend(observability, 900_000, ago=-DAY)
    observability.flush()
    assert warnings(observability, said).send_due(now=NOW + DAY) == 1
    raise_budget(observability.database, "b1", soft=1_100_000, hard=None)
    assert warnings(observability, said).send_due(now=NOW + DAY) == 1, "raised, it warns again"


@pytest.mark.parametrize(
    ("dimension", "key", "place"),
    [
        ("all", "", GENERAL),
        ("channel", SECRET, SECRET),
        ("user", BOB, f"direct to {BOB}"),
    ],
)
def test_a_warning_is_where_its_amounts_may_be_known(
    observability: Observability, dimension: Dimension, key: str, place: str
) -> None:
    said: list[tuple[str, str]] = []
    add_budget(observability.database, replace(BUDGET, dimension=dimension, key=key))
    add_budget(observability.database, replace(BUDGET, id="b2", team="", channel=None))
    spend(observability, 2_000_000, channel=SECRET, user=BOB)
    observability.flush()
    warnings(observability, said).send_due(now=NOW)
    ((where, text),) = said
    assert where == place
    assert "200% of the budget" in text
    assert "used up: each question waits for a yes; begins again at midnight (UTC)" in text


@pytest.mark.parametrize(
    ("dimension", "key", "whose"),
    [("agent", "claude", "claude"), ("channel", GENERAL, "this channel")],
)
def test_a_channel_that_others_can_read_is_told_no_amounts(
    observability: Observability, dimension: Dimension, key: str, whose: str
) -> None:
    said: list[tuple[str, str]] = []
    add_budget(observability.database, replace(BUDGET, dimension=dimension, key=key))
    spend(observability, 900_000)
    observability.flush()
    warnings(observability, said, only=GENERAL).send_due(now=NOW)
    ((_, text),) = said
    assert f"90% of the budget for {whose} is spent:" in text
    assert "$" not in text


def test_a_channel_that_is_gone_keeps_no_other_budget_from_warning(
    observability: Observability,
) -> None:
    said: list[tuple[str, str]] = []
    add_budget(observability.database, replace(BUDGET, id="b0", channel="C0GONE"))
    add_budget(observability.database, BUDGET)
    spend(observability, 900_000)
    observability.flush()
    assert warnings(observability, said).send_due(now=NOW) == 1
    assert [channel for channel, _ in said] == [GENERAL]


@pytest.fixture
def bot(start_bot: StartBot) -> Bot:
    return start_bot()


def test_a_person_is_warned_in_a_direct_message(
    bot: Bot, sandbox: Sandbox, observability: Observability, alice: User, general: Channel
) -> None:
    own = replace(BUDGET, team=sandbox.team_id, channel=general.id)
    add_budget(observability.database, replace(own, dimension="user", key=alice.id))
    add_budget(observability.database, replace(own, id="b2"))
    spend(observability, 900_000, user=alice.id, team=sandbox.team_id, audience=sandbox.team_id)
    observability.flush()
    for minutes in range(3):
        bot.scheduler.tick(now=NOW + minutes * MINUTE)
    assert len(sandbox.calls("conversations.open")) == 1, "a tick must not ask Slack for no reason"
    for place, whose in ((sandbox.open_dm(alice), "your questions"), (general, "claude")):
        (message,) = sandbox.messages(place)
        assert f"90% of the budget for {whose} is spent ($0.9000 of $1.00)" in message.text
