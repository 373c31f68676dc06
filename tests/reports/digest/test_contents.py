"""What a digest says of a day, beside figures that were worked out by hand."""

from datetime import date

import pytest

from reports.digest.contents import Scope, digest
from reports.periods import HOUR_NS, Period, period_before
from reports.views.digest import DigestView
from storage import Observability
from storage.coordination.budgets import Budget, Dimension, add_budget
from storage.coordination.issue_states import set_state
from storage.queries.issues import issues
from storage.queries.statistics import statistics
from tests.support.factories import ALICE, GENERAL, MINUTE, SECRET, TEAM, record, said

TUESDAY = date(2025, 11, 25)
NOW = 1_764_064_800 * 1_000_000_000
"""Tuesday, 25 November 2025, 10:00 UTC."""

DAY = 24 * HOUR_NS
NOON = NOW - 22 * HOUR_NS
"""Monday at noon."""

PEOPLE = Scope(audiences=frozenset({TEAM}), workspace="https://acme.slack.com/")


def turns(
    observability: Observability,
    days: int,
    count: int,
    *,
    failed: int = 0,
    agent: str = "claude",
    seconds: int = 10,
    cost: int = 100_000,
    channel: str = GENERAL,
    platform: str = "slack",
) -> None:
    """Record turns at noon, so many days before Monday; each costs 10 cents."""
    for number in range(count):
        ago = NOW - NOON + days * DAY - number * MINUTE
        ts = f"{(NOW - ago) // 1_000_000_000}.000100"
        call = {"agent": agent, "configured_provider": agent, "provider": agent, "cost": cost}
        facts = said(channel, ALICE, f"question {number}") | {"platform": platform}
        record(
            observability,
            "slack message",
            now=NOW,
            ago=ago,
            ms=seconds * 1_000,
            steps=((f"attempt {agent}", 1, seconds * 1_000 - 2, call),),
            status="error" if number < failed else "ok",
            error=("crash", "it exited with 1") if number < failed else None,
            decision="answer",
            agent=agent,
            thread_ts=ts,
            message_ts=ts,
            **facts,
        )


def skipped(observability: Observability, reason: str) -> None:
    record(
        observability,
        "slack message",
        now=NOW,
        ago=NOW - NOON,
        ms=2,
        status="skipped",
        steps=(("decide", 0, 1, {"decision": "skip", "reason": reason}),),
        **said(GENERAL, ALICE, "lunch?", decision="skip"),
    )


def told(
    observability: Observability, *, days: str = "daily", today: date = TUESDAY, **more: Scope
) -> DigestView:
    assert observability.flush()
    period: Period = period_before(today, days=days, time_zone="UTC")
    scope = more.get("scope", PEOPLE)
    return digest(observability.database, scope, period, now=NOW)


@pytest.fixture
def mondays(observability: Observability) -> Observability:
    """Record Mondays with 2, 4, 6 and 10 turns, a Sunday with 5, and this Monday with 12."""
    for week, (count, failed) in enumerate(((10, 3), (6, 0), (4, 1), (2, 0)), 1):
        turns(observability, 7 * week, count, failed=failed)
    turns(observability, 1, 5)
    turns(observability, 0, 9, failed=1)
    turns(observability, 0, 3, failed=3, agent="codex", seconds=40)
    return observability


def test_a_day_is_told_in_a_sentence_and_beside_the_usual_one(mondays: Observability) -> None:
    view = told(mondays)
    # The median of 2, 4, 6 and 10 turns is 5; of 0, 0, 1 and 3 failures it is a half.
    assert view.sentence == (
        "A bad and slow Monday: 4 of 12 turns failed, usually 1 of 5; 95% took up to 40.0 s, "
        "usually 10.0 s (3 of them with codex)."
    )
    figures = {each.name: (each.now, each.before, each.usual) for each in view.figures}
    assert figures["turns"] == ("12", "5 (+140%)", "5 (+140%)")
    assert figures["failed"] == ("4", "0", "1 (+300%)")
    assert figures["cost"] == ("$1.20", "$0.5000 (+140%)", "$0.5000 (+140%)")
    assert [(day.label, day.traces, day.errors) for day in view.facts.days if day.traces] == [
        ("Mon 17", 10, 3),
        ("Sun 23", 5, 0),
        ("Mon 24", 12, 4),
    ]
    assert len(view.facts.days) == 14


def test_errors_that_are_new_or_back_again_are_told(mondays: Observability) -> None:
    view = told(mondays)
    # claude failed in the same way on Mondays before.
    assert [(each.name, each.times, each.is_back) for each in view.issues] == [
        ("crash of codex", "3 times", False)
    ]
    since = NOON - DAY
    found, _ = issues(mondays.database, since=since, audiences=frozenset({TEAM}))
    (known,) = [issue.id for issue in found if issue.agent == "claude"]
    # Somebody resolved it on Friday.
    at = NOON - 3 * DAY
    set_state(mondays.database, known, state="resolved", changed_by=ALICE, now=at)
    assert {(each.name, each.is_back) for each in told(mondays).issues} == {
        ("crash of codex", False),
        ("crash of claude", True),
    }


def test_turns_that_failed_only_with_muted_errors_are_not_listed(
    observability: Observability,
) -> None:
    turns(observability, 7, 12, failed=12)
    turns(observability, 0, 12, failed=12)
    turns(observability, 0, 1, failed=1, agent="codex")
    listed = told(observability).facts.failed
    assert {trace.agent for trace in listed} == {"claude"}, "the newest"
    found, _ = issues(observability.database, since=NOON - DAY, audiences=frozenset({TEAM}))
    (muted,) = [issue.id for issue in found if issue.agent == "claude"]
    set_state(observability.database, muted, state="muted", changed_by=ALICE, now=NOW)
    assert [trace.agent for trace in told(observability).facts.failed] == ["codex"]


def test_a_week_is_compared_with_the_weeks_before(mondays: Observability) -> None:
    view = told(mondays, days="mon", today=date(2025, 11, 24))
    assert view.title == "What the agents did from Monday, 17 November to Sunday, 23 November"
    # 10 and 5 turns; the weeks before had 6, 4, 2 and none, but that one was before the first turn.
    assert view.figures[0].now == "15"
    assert view.figures[0].before == "6 (+150%)"
    assert view.figures[0].usual == "4 (+275%)"


def test_a_day_in_a_zone_of_half_hours_has_the_hours_that_begin_in_it_as_in_statistics(
    observability: Observability,
) -> None:
    zone = "Asia/Kolkata"
    # Monday begins there on Sunday at 18:30 UTC.
    midnight = NOW - 39 * HOUR_NS - HOUR_NS // 2
    for minutes, count in ((-20, 5), (20, 7), (40, 1)):
        for number in range(count):
            ago = NOW - midnight - minutes * MINUTE + number
            record(
                observability, "slack message", now=NOW, ago=ago, ms=9, **said(GENERAL, "U1", "?")
            )
    assert observability.flush()
    period = period_before(date(2025, 11, 25), days="daily", time_zone=zone)
    view = digest(observability.database, PEOPLE, period, now=NOW)
    days = statistics(
        observability.database,
        since=NOW - 3 * DAY,
        until=NOW,
        by="day",
        audiences=PEOPLE.audiences,
        time_zone=zone,
    )
    assert [(day.label, day.traces) for day in view.facts.days if day.traces] == [
        ("Sun 23", 12),
        ("Mon 24", 1),
    ]
    assert [group.traces for group in days.groups] == [12, 1]
    assert (view.figures[0].now, view.figures[0].before) == ("1", "12 (−92%)")


def test_a_digest_of_weekdays_tells_of_the_weekend_on_monday(mondays: Observability) -> None:
    view = told(mondays, days="weekdays", today=date(2025, 11, 24))
    assert view.title == "What the agents did from Friday, 21 November to Sunday, 23 November"
    assert view.total.traces == "5"
    assert told(mondays, days="weekdays").total.traces == "12"


def test_before_there_is_a_week_nothing_is_called_usual(observability: Observability) -> None:
    turns(observability, 1, 3)
    turns(observability, 0, 1)
    view = told(observability)
    assert view.sentence == "1 turn, none failed. It is too early to say what is usual."
    assert {each.usual for each in view.figures} == {"–"}


def test_no_number_of_a_digest_is_told_twice(observability: Observability) -> None:
    turns(observability, 0, 3)
    turns(observability, 0, 4, failed=4, agent="codex")
    assert told(observability).left == ""
    assert "4 failed (all of them with codex)" in told(observability).sentence
    for reason, left in (
        ("not_mentioned", "1 message was not answered because the bot was not mentioned."),
        ("not_mentioned", "2 messages were not answered because the bot was not mentioned."),
        (
            "empty",
            "3 messages were not answered: 2 because the bot was not mentioned, "
            "1 because the message was empty.",
        ),
    ):
        skipped(observability, reason)
        assert told(observability).left == left


def test_a_source_that_fell_silent_is_named(observability: Observability) -> None:
    for week in range(1, 5):
        turns(observability, 7 * week, week, agent="gemini", platform="cli")
    for week in range(5):
        turns(observability, 7 * week, 2)
    # The median of 1, 2, 3 and 4 turns is 2.5.
    assert told(observability).silent == (
        "Nothing came from cli: usually 3 turns on such a Monday.",
        "Nobody asked gemini: usually 3 turns on such a Monday.",
    )


def test_a_source_of_some_weeks_only_is_not_missed(observability: Observability) -> None:
    turns(observability, 7, 5, agent="gemini")
    turns(observability, 14, 5, agent="gemini")
    for week in range(5):
        turns(observability, 7 * week, 2)
    assert not told(observability).silent


def test_the_dearest_and_the_slowest_threads_are_linked(observability: Observability) -> None:
    turns(observability, 0, 1, cost=900_000)
    turns(observability, 0, 1, seconds=90, channel="C0OTHER")
    turns(observability, 0, 1, seconds=500, cost=9_000_000, channel=SECRET)
    view = told(observability)
    dearest, slowest = view.dearest[0], view.slowest[0]
    ts = f"p{NOON // 1_000_000_000}000100"
    assert (dearest.cost, dearest.link) == (
        "$0.9000",
        f"https://acme.slack.com/archives/{GENERAL}/{ts}",
    )
    assert (slowest.slowest, slowest.link) == (
        "1 min 30 s",
        f"https://acme.slack.com/archives/C0OTHER/{ts}",
    )
    assert len(view.dearest) == len(view.slowest) == 2, "nothing is told of the private channel"


def test_a_digest_of_one_channel_counts_only_its_turns(observability: Observability) -> None:
    for week in range(5):
        turns(observability, 7 * week, 2 + week)
        turns(observability, 7 * week, 9, channel="C0OTHER")
    view = told(observability, scope=Scope(audiences=frozenset({TEAM}), channel=GENERAL))
    # The weeks before had 3, 4, 5 and 6 turns.
    assert [each.now for each in view.figures][:1] == ["2"]
    assert view.facts.usual and view.facts.usual.traces == 5
    assert {thread.sums.channel for thread in view.facts.dearest} == {GENERAL}


def test_a_day_without_turns_is_news_only_if_a_source_is_missed(
    observability: Observability,
) -> None:
    assert not told(observability).has_news
    for week in range(1, 5):
        turns(observability, 7 * week, 2)
    view = told(observability)
    assert view.sentence == "Nobody asked an agent, and usually 2 turns run."
    assert view.quiet and view.has_news


def test_the_budgets_that_all_readers_may_know_are_told_the_fullest_first(
    observability: Observability,
) -> None:
    turns(observability, 0, 9)
    database = observability.database
    limits: list[tuple[Dimension, str, str, int]] = [
        ("all", "", TEAM, 40_000_000),
        ("agent", "claude", "", 1_000_000),
        ("agent", "codex", "T2", 1),
        ("channel", GENERAL, TEAM, 1),
        ("user", ALICE, TEAM, 1),
    ]
    for number, (dimension, key, team, soft) in enumerate(limits):
        budget = Budget(
            id=f"b{number}",
            dimension=dimension,
            key=key,
            team=team,
            period="week",
            soft=soft,
            created_by=ALICE,
            created_at=number,
        )
        add_budget(database, budget)
    assert told(observability).facts.budgets == (
        "Budget of claude: 90% of $1.00 a week, used up today at about 13:46 at this pace",
        "Budget of everyone: 2% of $40.00 a week, lasts for the week at this pace",
    )
    alone = Scope(audiences=frozenset({TEAM}), channel=GENERAL)
    assert told(observability, scope=alone).facts.budgets == ()
