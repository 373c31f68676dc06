"""Every query gives the same answer on SQLite and on PostgreSQL, and writing works on both."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from peewee import Database

from reports.alerts.evaluation import measure, watched
from reports.commands.handlers import Viewer, answer
from reports.commands.parser import build_parser, parse
from reports.views.budgets import BudgetsView
from reports.views.messages import MessageView
from reports.views.statistics import StatsView
from storage import Observability
from storage.coordination.alert_rules import (
    AlertRule,
    add_rule,
    alert_rules,
    alert_states,
    change_state,
    remove_rule,
    workspace_of,
)
from storage.coordination.budgets import (
    Budget,
    Spender,
    add_budget,
    budgets,
    raise_budget,
    remove_budget,
)
from storage.coordination.digest_subscriptions import (
    Subscription,
    subscribe,
    subscriptions,
    unsubscribe,
)
from storage.coordination.leases import acquire_lease, complete_lease
from storage.coordination.process_identity import new_writer, this_process
from storage.coordination.reservations import Reservation, remove_ended, reserve
from storage.coordination.unfinished_replies import (
    UnfinishedReply,
    abandoned_replies,
    hand_over_replies,
    put_reply,
    remove_reply,
)
from storage.database.models import TABLES
from storage.database.transactions import transaction
from storage.model.batch import Batch
from storage.model.records import FEEDBACK, Log, Metric, Score
from storage.model.retention import Folding
from storage.model.span import WITHIN, Span, own_audience
from storage.queries.spending import usual_cost
from storage.queries.traces import recent_traces, trace_spans
from storage.recovery.opening import open_database
from storage.store.batch import store
from storage.store.facts import merge_facts
from storage.upkeep import folding
from storage.upkeep.conversion import ChannelConversions
from tests.support.factories import (
    ALICE,
    BOB,
    FOLLOW_UP,
    GENERAL,
    NOW,
    SECRET,
    TEAM,
    THREAD,
    FixedSight,
    record_an_hour,
)

PARSER, _ = build_parser(prog="tracebot", shell=True)
IN_TEAM = Viewer(
    audiences=frozenset({TEAM, own_audience(TEAM, ALICE), own_audience(TEAM, SECRET)}),
    team=TEAM,
    user=ALICE,
)


RATINGS = (
    {"user": ALICE, "source": "button", "value": 1.0},
    {"user": BOB, "source": "button", "value": 0.0, "text": "It guessed."},
    {"user": ALICE, "source": "1.0:-1", "value": 0.0},
    {"user": BOB, "source": "button", "value": 0.0},
    {"user": ALICE, "source": "1.0:-1", "value": None},
)
ALERT = AlertRule(
    id="a1b2", team=TEAM, channel=GENERAL, condition="", created_by=ALICE, created_at=NOW
)
CONDITIONS = (
    *("count>1 over:15m", "p95>20s over:15m", "first_token>5s over:1h"),
    *("error_rate>30% over:1h", "p95>20s agent:claude over:24h", "cost>5 over:168h"),
    *("tokens>1000 user:U0ALICE over:1h", "count<1 over:2h", "running>30s", "no_data over:1h"),
)


@pytest.fixture(scope="module")
def postgres(postgres_url: str) -> Iterator[Database]:
    database = open_database(postgres_url)
    yield database
    database.close()


def beside(ids: Mapping[str, str]) -> Batch:
    """Return log lines and metrics of two traces and of none."""
    of = (ids["question"], ids["private"], None)
    logs = [
        Log(
            level="WARNING",
            message="late",
            attributes={"ms": 5},
            recorded_at=NOW,
            trace_id=each,
            span_id=None,
        )
        for each in of
    ]
    metrics = [
        Metric(
            name=name,
            value=value,
            labels={"agent": "claude"},
            recorded_at=NOW,
            trace_id=each,
            span_id=None,
        )
        for name in ("depth", "width")
        for value, each in enumerate(of)
    ]
    return Batch("host:2:2", 1, logs=logs, metrics=metrics)


def fill(observability: Observability, postgres: Database) -> tuple[Database, Database]:
    """Return SQLite with the turns of `record_an_hour`, and PostgreSQL with the same spans."""
    ids = record_an_hour(observability)
    sqlite = observability.database
    traces = recent_traces(sqlite, skipped=True, limit=100).traces
    spans = [span for trace in traces for span in trace_spans(sqlite, trace.trace_id)]
    half = len(spans) // 2  # The second batch finds summaries and rollups to add to.
    for number, part in enumerate((spans[:half], spans[half:]), 1):
        assert store(postgres, Batch("host:1:1", number, spans=part))
    scores = [
        Score(trace_id=ids["question"], name=FEEDBACK, label=None, recorded_at=NOW + at, **given)  # type: ignore[arg-type]
        for at, given in enumerate(RATINGS)
    ]
    for database in (sqlite, postgres):
        for number, score in enumerate(scores, 1):
            assert store(database, Batch("host:2:1", number, scores=[score]))
        assert store(database, beside(ids))
    return sqlite, postgres


@pytest.fixture
def both(observability: Observability, postgres: Database) -> tuple[Database, Database]:
    for table in TABLES:
        table.delete().execute(postgres)
    return fill(observability, postgres)


@pytest.fixture(scope="module")
def to_read(
    new_postgres: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Database, Database]]:
    """Return the same two, filled once for all tests that only read."""
    path = tmp_path_factory.mktemp("read") / "t.db"
    with (
        closing(open_database(new_postgres())) as postgres,
        Observability.open(path, platform="slack") as observability,
    ):
        yield fill(observability, postgres)
        observability.database.close()


@pytest.mark.parametrize("viewer", [Viewer(), IN_TEAM], ids=["shell", "person"])
@pytest.mark.parametrize(
    "words",
    [
        "ls --all",
        "ls --limit 2",
        "ls --agent claude --status timeout",
        f"ls --channel {GENERAL} --user {BOB} --since 24h --all",
        "ls PLANS",
        "ls feedback:down",
        "ls -agent:echo -status:running tokens>0 cost>0.01 duration>1s",
        "ls tokens<100000 model:claude-sonnet-5 provider:claude",
        "ls --all -user:U0BOB",
        "slow agent:claude duration>1s",
        "errors -platform:slack",
        "stats agent:claude",
        "stats agent:claude --by hour",
        f"thread {GENERAL} {THREAD}",
        f"show https://x.slack.com/archives/{GENERAL}/p{FOLLOW_UP.replace('.', '')}",
        "ps",
        "digest now",
        "stats",
        "stats --by agent",
        "stats --by model",
        "stats --by provider",
        "stats --by decision",
        "stats --by hour --since 24h",
        "cost",
        "errors",
        "slow",
        "logs",
        "logs --level warning --since 2h",
        "metrics",
        "metrics depth",
        "search plans",
        "search <@u0bot> plan",
    ],
)
def test_a_command_gives_the_same_result_on_both(
    to_read: tuple[Database, Database], words: str, viewer: Viewer
) -> None:
    args = parse(PARSER, words.split())
    here, there = (answer(args, database=each, viewer=viewer, now=NOW) for each in to_read)
    assert here == there
    assert not isinstance(here, MessageView)


def test_a_budget_counts_the_same_on_both(both: tuple[Database, Database]) -> None:
    spender = Spender(team=TEAM, agent="claude", channel=GENERAL, user=ALICE)
    whole: dict[str, Any] = {"soft": 1, "hard": 2, "created_by": ALICE, "created_at": NOW}
    for database in both:
        for team in ("", TEAM):
            budget = Budget(
                id=f"b{team}", dimension="agent", key="claude", period="month", team=team, **whole
            )
            add_budget(database, budget)
            raise_budget(database, budget.id, soft=10**6, hard=2 * 10**6)
        with transaction(database):
            running = Reservation(spender, 5)
            reserve(database, running, trace_id="1", process=this_process(), now=NOW)
            remove_ended(database, now=NOW)
        assert usual_cost(database, agent="claude", channel=GENERAL, audiences={TEAM}) == 12_345
    args = parse(PARSER, ["budget"])
    here, there = (answer(args, database=each, viewer=IN_TEAM, now=NOW) for each in both)
    assert here == there
    assert isinstance(here, BudgetsView)
    assert [each.total for each in here.found] == [12_350, 12_350]
    remove_budget(both[1], "b")
    assert len(budgets(both[1])) == 1


def test_a_batch_that_is_replayed_changes_nothing(both: tuple[Database, Database]) -> None:
    _, postgres = both
    before = recent_traces(postgres, skipped=True).traces
    assert not store(postgres, Batch("host:1:1", 2, spans=[]))
    assert recent_traces(postgres, skipped=True).traces == before


def test_received_spans_are_stored_once_and_give_their_tokens_to_an_attempt_without(
    both: tuple[Database, Database],
) -> None:
    _, postgres = both
    times = {"started_at": NOW, "ended_at": NOW + 1, "duration_ns": 1}
    attempt = Span(
        trace_id="f" * 32, span_id="a" * 16, name="attempt", configured_provider="x", **times
    )
    request = replace(attempt, span_id="b" * 16, parent_id="a" * 16, configured_provider=None)
    request = replace(request, received=True, status="ok", input_tokens=7)
    request = replace(request, attributes={WITHIN: "a" * 16})
    ended = replace(attempt, status="timeout")
    batches = [[attempt], [request, request], [request], [ended], [request]]
    for number, spans in enumerate(batches, 10):
        resumed = {"a" * 16} if spans == [ended] else set()
        assert store(postgres, Batch("host:1:1", number, spans=list(spans), resumed=resumed))
    (summary,) = recent_traces(postgres, limit=1).traces
    assert (summary.span_count, summary.input_tokens) == (2, 7)


def test_one_process_at_a_time_holds_a_lease(postgres: Database) -> None:
    assert acquire_lease(postgres, "digest:1", owner="a", now=1, lease_ns=10)
    assert not acquire_lease(postgres, "digest:1", owner="b", now=5, lease_ns=10)
    assert acquire_lease(postgres, "digest:1", owner="b", now=12, lease_ns=10)
    complete_lease(postgres, "digest:1", now=13)
    assert not acquire_lease(postgres, "digest:1", owner="a", now=100, lease_ns=10)


def test_a_subscription_is_replaced_and_ended(postgres: Database) -> None:
    for time in ("09:00", "10:00"):
        subscribe(postgres, Subscription(TEAM, GENERAL, time, "Europe/Berlin", ALICE, 1))
    assert [each.local_time for each in subscriptions(postgres)] == ["10:00"]
    assert unsubscribe(postgres, team=TEAM, channel=GENERAL)
    assert not subscriptions(postgres)


def test_alerts_are_kept_and_measure_the_same_on_both(both: tuple[Database, Database]) -> None:
    for database in both:
        for number, condition in enumerate(CONDITIONS):
            assert add_rule(database, replace(ALERT, id=f"{number:04}", condition=condition))
        assert not add_rule(database, replace(ALERT, id="0000"))
        assert change_state(database, "0000", lambda state: replace(state, value=0.5, seq=2))
        assert alert_states(database)["0000"].value == 0.5
    sight = FixedSight(frozenset({TEAM, own_audience(TEAM, SECRET)}))
    here, there = (
        measure(
            database,
            watched(alert_rules(database), {GENERAL: sight}),
            agents=dict,
            health=dict,
            now=NOW,
        )
        for database in both
    )
    assert here == there
    assert {each.level for each in here.values()} == {"ok", "alert", "no_data"}
    assert workspace_of(both[1], GENERAL) == TEAM
    assert remove_rule(both[1], "0000")


def test_a_reply_that_is_not_final_is_replaced_handed_over_and_removed(
    postgres: Database,
) -> None:
    reply = UnfinishedReply(
        id="1:claude",
        trace_id="1",
        agent="claude",
        team=TEAM,
        channel=GENERAL,
        thread_ts=THREAD,
        message_ts=THREAD,
        user=ALICE,
        begun_at=NOW,
    )
    process = new_writer()
    for each in (reply, replace(reply, ts=FOLLOW_UP, ending=({"text": "whole"},))):
        put_reply(postgres, each, process=process)
    assert not list(abandoned_replies(postgres, team=TEAM))
    hand_over_replies(postgres, process=process)
    (left,) = abandoned_replies(postgres, team=TEAM)
    assert (left.ts, left.ending) == (FOLLOW_UP, ({"text": "whole"},))
    remove_reply(postgres, reply.id)
    assert not list(abandoned_replies(postgres, team=TEAM))


@pytest.mark.parametrize("days", [40, 500], ids=["days", "months"])
def test_folded_statistics_are_the_same_on_both(
    both: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    monkeypatch.setattr(folding, "NAMED", 1)
    for each in both:
        merge_facts(each)
    here, there = (
        folding.fold(each, Folding(), now=NOW + days * 24 * 3_600 * 10**9) for each in both
    )
    assert here == there
    assert here.hours
    for words in ("stats --by hour", "stats --by user", "stats --by channel"):
        for viewer in (IN_TEAM, Viewer()):
            args = parse(PARSER, words.split())
            one, other = (answer(args, database=each, viewer=viewer, now=NOW) for each in both)
            assert one == other
            assert isinstance(one, StatsView)
            assert one.statistics.total.traces


def test_the_traces_of_a_channel_that_became_private_are_hidden_on_both(
    both: tuple[Database, Database],
) -> None:
    everyone = Viewer(audiences=frozenset({TEAM}), team=TEAM, user=ALICE)
    for database in both:
        ChannelConversions(database, team=TEAM).follow({GENERAL: False})
    for words in ("ls --all", "stats --by channel", "stats --by user", "stats --by decision"):
        for viewer in (everyone, IN_TEAM, Viewer()):
            args = parse(PARSER, words.split())
            here, there = (answer(args, database=each, viewer=viewer, now=NOW) for each in both)
            assert here == there
        result = answer(parse(PARSER, words.split()), database=both[0], viewer=everyone, now=NOW)
        assert GENERAL not in str(result)
