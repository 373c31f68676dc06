"""Issues are counted once a trace, whatever happens to the traces, and for those who see them."""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from peewee import Database

from storage.coordination.issue_states import set_state
from storage.database.models import FactRow, RollupRow
from storage.model.batch import Batch
from storage.model.erasure import Reach
from storage.model.filters import Filters
from storage.model.retention import Folding, Retention
from storage.model.span import Span, own_audience
from storage.queries import issues as issue_queries
from storage.queries.issues import Issue, fresh_issues, issues
from storage.recovery.opening import open_database
from storage.store.batch import store
from storage.store.erasing_rows import erase_rows
from storage.store.facts import merge_facts
from storage.store.rollups import EVERYONE, ISSUE
from storage.upkeep.conversion import make_private
from storage.upkeep.folding import fold
from storage.upkeep.issue_counts import count_issues
from storage.upkeep.retention import apply_retention

HOUR = 3_600 * 10**9
DAY = 24 * HOUR
NOW = 490_000 * HOUR
T1 = ["T1"]
numbers = count(1)


@pytest.fixture
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    opened = open_database(tmp_path_factory.mktemp("issues") / "t.db")
    yield opened
    opened.close()


def failure(at: int = NOW, message: str = "no answer within 30 s", **fields: Any) -> list[Span]:
    """Return the spans of a turn that failed: its root, the agent and its attempt."""
    root = Span(
        trace_id=f"{next(numbers):032x}", span_id=f"{1:016x}", name="slack message", started_at=at,
        ended_at=at + 60, duration_ns=60, status="error", platform="slack", team="T1",
        audience="T1", channel="C1", user="U1", agent="claude", decision="answer",
        error_type="timeout", error_message=message, process="p",
    )  # fmt: skip
    root = replace(root, **fields)
    below = replace(root, parent_id=root.span_id, decision=None)
    invoke = replace(below, span_id=f"{2:016x}", name="invoke_agent claude", started_at=at + 1)
    attempt = replace(below, span_id=f"{3:016x}", name="attempt claude", started_at=at + 2)
    return [root, invoke, attempt]


def put(database: Database, *spans: Span) -> None:
    assert store(database, Batch(f"p{next(numbers)}", 1, spans=[replace(each) for each in spans]))


def fail(database: Database, at: int = NOW, **fields: Any) -> str:
    spans = failure(at, **fields)
    put(database, *spans)
    return spans[0].trace_id


def found(database: Database, *, since: int = 0, **options: Any) -> dict[str, Issue]:
    """Return the issues by the messages of their latest failures."""
    seen, _ = issues(database, since=since, **options)
    return {str(issue.latest.error_message): issue for issue in seen}


def only(database: Database, **options: Any) -> Issue:
    (issue,) = found(database, **options).values()
    return issue


def counts(database: Database, level: str, audience: str = "T1") -> dict[str, int]:
    query = RollupRow.select(RollupRow.key, RollupRow.traces).where(
        RollupRow.dimension == ISSUE, RollupRow.level == level, RollupRow.audience == audience
    )
    made: dict[str, int] = {}
    for key, traces in query.tuples().execute(database):
        made[key] = made.get(key, 0) + traces
    return {key: traces for key, traces in made.items() if traces}


def test_one_failure_of_a_turn_is_one_issue_however_many_spans_tell_of_it(
    database: Database,
) -> None:
    fail(database, NOW)
    latest = fail(database, NOW + HOUR, message="no answer within 45.5 s")
    issue = only(database)
    assert (issue.traces, issue.count, issue.error_type, issue.agent) == (2, 2, "timeout", "claude")
    assert (issue.latest.trace_id, issue.latest.name) == (latest, "attempt claude")
    assert (issue.first_seen, issue.last_seen) == (NOW, NOW + HOUR)


def arrivals(chance: random.Random, spans: Sequence[Span]) -> list[list[Span]]:
    batches: list[list[Span]] = [[] for _ in range(chance.randint(1, 5))]
    for each in chance.sample(spans, len(spans)):
        first, last = sorted(chance.choices(range(len(batches)), k=2))
        if chance.random() < 0.4:
            batches[first].append(replace(each, status="running", ended_at=None, duration_ns=None))
        batches[last].append(each)
        if chance.random() < 0.4:
            chance.choice(batches).append(replace(each, received=True, process=None))
    return batches


@settings(max_examples=25)
@given(st.randoms(use_true_random=False))
def test_the_counts_do_not_depend_on_order_batches_or_repetition(
    one_database: Database, chance: random.Random
) -> None:
    team = f"T{next(numbers)}"
    messages = ("no answer", "cannot read the file", "gone")
    turns = [
        failure(NOW + chance.randrange(72) * HOUR, message=chance.choice(messages), team=team)
        for _ in range(5)
    ]
    turns = [[replace(each, audience=team) for each in turn] for turn in turns]
    for turn in turns:
        turn[2].error_message = chance.choice(messages)
    for batch in arrivals(chance, [span for turn in turns for span in turn]):
        put(one_database, *batch)
    merge_facts(one_database)

    expected: dict[str, int] = {}
    for turn in turns:
        for message in {span.error_message for span in turn}:
            expected[str(message)] = expected.get(str(message), 0) + 1
    seen = found(one_database, audiences=[team])
    assert {message: issue.count for message, issue in seen.items()} == expected
    by_id = {issue.id: expected[message] for message, issue in seen.items()}
    assert counts(one_database, "hour", team) == counts(one_database, "day", team) == by_id
    everyone = counts(one_database, "day", EVERYONE)
    assert {key: everyone[key] for key in by_id} == by_id


@pytest.fixture(scope="module")
def one_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    opened = open_database(tmp_path_factory.mktemp("counts") / "t.db")
    yield opened
    opened.close()


def test_the_count_and_the_first_time_outlive_retention_and_folding(database: Database) -> None:
    old = NOW - 60 * DAY
    for _ in range(3):
        fail(database, old)
    fail(database, NOW)
    apply_retention(database, Retention(older_than_ns=DAY), now=NOW + HOUR)
    merge_facts(database)
    issue = only(database, since=NOW - DAY)
    assert (issue.traces, issue.count, issue.first_seen) == (1, 4, old)
    fold(database, Folding(), now=NOW + HOUR)
    issue = only(database, since=NOW - DAY, audiences=T1)
    assert (issue.count, issue.first_seen) == (4, old - old % DAY)
    fold(database, Folding(hours_ns=30 * DAY, days_ns=31 * DAY), now=NOW + HOUR)
    issue = only(database, since=NOW - DAY)
    assert issue.count == 4
    assert old - 31 * DAY <= issue.first_seen <= old
    assert issue.state(since=NOW - DAY) == "known"


def test_what_waits_to_be_added_up_counts_as_well(database: Database) -> None:
    fail(database, NOW - 2 * DAY)
    merge_facts(database)
    fail(database, NOW)
    issue = only(database, since=NOW - DAY, audiences=T1)
    assert (issue.count, issue.first_seen) == (2, NOW - 2 * DAY)


def test_an_issue_of_a_channel_that_becomes_private_is_its_members_only(
    database: Database,
) -> None:
    own = own_audience("T1", "C1")
    fail(database, NOW - 2 * DAY, message="the merger file is gone")
    fail(database, NOW, message="the merger file is gone")
    fail(database, NOW - 2 * DAY)
    fail(database, NOW, channel="C2")
    assert len(found(database, audiences=T1)) == 2
    make_private(database, team="T1", channel="C1")
    issue = only(database, audiences=T1)
    assert (issue.count, issue.first_seen) == (1, NOW)
    members = found(database, audiences=["T1", own], since=NOW)
    assert [(each.count, each.first_seen) for each in members.values()] == [(2, NOW - 2 * DAY)] * 2


def test_issues_are_complete_however_many_failures_there_are(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most are known from rollups only: the newest three failures are read."""
    messages = ("no answer", "cannot read the file", "gone", "the host is unknown")
    for number in range(40):
        fail(database, NOW - number * HOUR // 2, message=messages[min(number // 6, 3)])
    fail(database, NOW - 5 * HOUR, audience=own_audience("T1", "U1"), message="private")
    resolved = found(database, audiences=T1)["gone"].id
    for level in ("facts", "rollups"):
        at = NOW - 8 * HOUR + (level == "rollups")
        set_state(database, resolved, state="resolved", changed_by="U1", now=at)
        for since in (0, NOW - 6 * HOUR):
            told = {}
            for most in (1_000, 3):
                monkeypatch.setattr(issue_queries, "MOST_TRACES", most)
                seen, is_whole = issues(database, since=since, until=NOW + 1, audiences=T1)
                assert is_whole
                told[most] = {
                    each.id: (each.traces, each.count, each.state(since=NOW - 7 * HOUR))
                    for each in seen
                }
            assert told[3] == told[1_000]
        merge_facts(database)
    (only_gone,), _ = issues(database, since=0, audiences=T1, prefix=resolved[:4])
    assert only_gone.latest.error_message == "gone"
    monkeypatch.setattr(issue_queries, "MOST_FILTERED", 3)
    assert not issues(database, since=0, filters=Filters(agent="claude"))[1]
    monkeypatch.setattr(issue_queries, "MOST_PERIODS", 1)
    assert not issues(database, since=0, audiences=T1)[1]


def test_failures_of_an_older_tracebot_are_counted_once(database: Database) -> None:
    """It did not count issues: its rollups and facts of them are deleted."""
    for number in range(6):
        root, *below = failure(NOW - number * 20 * HOUR - 1, message=f"no answer in {number} s")
        # The turn begins in one hour and fails in the next.
        put(database, replace(root, status="ok", error_type=None, error_message=None))
        put(database, *(replace(each, trace_id=root.trace_id) for each in below))
    merge_facts(database)
    whole = {level: counts(database, level) for level in ("hour", "day")}
    assert sum(whole["hour"].values()) == 6
    for table in (RollupRow, FactRow):
        table.delete().where(table.dimension == ISSUE).execute(database)
    fail(database, NOW - 40 * HOUR, message="no answer in 7 s")
    assert not count_issues(database, now=NOW + HOUR, until=0.0)
    for _ in range(2):
        assert count_issues(database, now=NOW + HOUR, until=math.inf)
        merge_facts(database)
        for level, before in whole.items():
            assert counts(database, level) == {name: count + 1 for name, count in before.items()}
    assert only(database).count == 7


def test_two_workspaces_have_no_issue_in_common(database: Database) -> None:
    fail(database)
    fail(database, team="T2", audience="T2")
    one, two = only(database, audiences=T1), only(database, audiences=["T2"])
    assert one.id != two.id
    set_state(database, two.id, state="resolved", changed_by="U9", now=NOW + 1)
    assert only(database, audiences=T1).changed is None
    assert len(issues(database, since=0)[0]) == 2


def test_an_erasure_takes_the_message_and_leaves_the_count(database: Database) -> None:
    trace_id = fail(database, message="cannot find merger")
    erase_rows(database, {trace_id: Reach.ALL})
    issue = only(database)
    assert (issue.latest.error_message, issue.count) == (None, 1)
    merge_facts(database)
    assert counts(database, "day") == counts(database, "hour") == {issue.id: 1}


def test_nobody_is_told_of_an_issue_whose_traces_they_may_not_see(database: Database) -> None:
    private = own_audience("T1", "U1")
    fail(database, NOW - DAY, audience=private, channel="D1")
    assert found(database, audiences=T1) == {}
    fail(database, NOW, channel="C2")
    issue = only(database, audiences=T1)
    assert (issue.count, issue.first_seen) == (1, NOW)
    assert found(database, audiences=T1, may_see=lambda trace: trace.channel != "C2") == {}
    assert found(database, audiences=[]) == {}


def test_it_is_new_then_known_then_resolved_and_returns_when_it_occurs_again(
    database: Database,
) -> None:
    def state(now: int) -> str:
        return only(database).state(since=now - DAY)

    fail(database, NOW)
    assert (state(NOW + 1), state(NOW + 2 * DAY)) == ("new", "known")
    issue = only(database).id
    set_state(database, issue, state="resolved", changed_by="U1", now=NOW + HOUR)
    assert state(NOW + HOUR) == "resolved"
    fail(database, NOW + 2 * HOUR)
    fail(database, NOW + 5 * HOUR)
    assert state(NOW + 5 * HOUR) == "returned"
    assert only(database).back_since == NOW + 2 * HOUR
    set_state(database, issue, state="muted", changed_by=None, now=NOW + 6 * HOUR)
    fail(database, NOW + 7 * HOUR)
    assert state(NOW + 7 * HOUR) == "muted"
    set_state(database, issue, state=None, changed_by=None, now=NOW + 8 * HOUR)
    assert state(NOW + 8 * HOUR) == "new"


def test_new_and_returned_issues_are_news_once(database: Database) -> None:
    def news(since: int, **options: Any) -> list[object]:
        told = fresh_issues(database, since=since, until=since + DAY, audiences=T1, **options)
        return [issue.latest.error_message for issue in told]

    fail(database, NOW, message="first")
    fail(database, NOW + DAY, message="first")
    fail(database, NOW + DAY, message="second")
    assert news(NOW) == ["first"]
    assert news(NOW + DAY) == ["second"]
    first = found(database, audiences=T1)["first"].id
    set_state(database, first, state="resolved", changed_by="U1", now=NOW + DAY + HOUR)
    for day in (2, 3):
        fail(database, NOW + day * DAY + HOUR, message="first")
    merge_facts(database)
    assert news(NOW + 2 * DAY) == ["first"]
    assert news(NOW + 3 * DAY) == []
    set_state(database, first, state="muted", changed_by="U1", now=NOW + DAY + HOUR)
    assert news(NOW + 2 * DAY) == []


def test_in_one_channel_an_issue_is_judged_by_what_occurred_there(database: Database) -> None:
    fail(database, NOW - 3 * DAY, channel="C2")
    fail(database, NOW, channel="C1")
    (told,) = fresh_issues(database, since=NOW, audiences=T1, channel="C1")
    assert (told.count, told.first_seen) == (1, NOW)
    assert fresh_issues(database, since=NOW, audiences=T1) == ()
    fail(database, NOW - 2 * DAY, channel="C1")
    assert fresh_issues(database, since=NOW, audiences=T1, channel="C1") == ()
