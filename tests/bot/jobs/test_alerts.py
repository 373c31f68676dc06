"""Alerts: what is measured for whom, and that each change is said once, whoever dies meanwhile."""

import json
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest
from peewee import Database
from slack_sdk import WebClient
from slack_sdk.errors import SlackClientError

from bot.jobs.alerts import LEASE_NS, Alerts, SlackPosts, ThreadDeleted
from bot.lifecycle import Bot
from bot.sandbox import Channel, Message, Sandbox, User
from bot.trace_ui.alert_orders import Orderer, obey
from reports.alerts.changes import HOLD
from reports.alerts.evaluation import Problems
from reports.errors import UsageError
from reports.render.slack import render
from reports.views.alerts import AlertView, alerts_view, trial_view
from storage import Observability
from storage.coordination.alert_rules import (
    AlertRule,
    AlertState,
    add_rule,
    alert_rules,
    alert_states,
    note_posted,
)
from storage.model.span import own_audience
from storage.recovery.backup import backup, restore
from storage.recovery.opening import open_database
from tests.support.conversations import eventually
from tests.support.factories import (
    ALICE,
    BOB,
    CALL,
    GENERAL,
    MINUTE,
    NOW,
    SECRET,
    TEAM,
    FixedSight,
    record,
    record_an_hour,
    said,
)
from tests.support.traces_in_slack import ask, in_modal


def rule(condition: str, id: str = "a1b2", *, channel: str = GENERAL) -> AlertRule:
    return AlertRule(
        id=id, team=TEAM, channel=channel, condition=condition, created_by=ALICE, created_at=1
    )


class FakePosts:
    """Channels that remember what was posted; `fails` is raised after the next post.

    As in Slack, a message that is `deleted` has no thread any more, unless there are replies in it.
    """

    def __init__(self) -> None:
        self.posted: list[tuple[str | None, AlertView, str]] = []
        self.updated: list[tuple[str, AlertView]] = []
        self.fails: BaseException | None = None
        self.deleted: set[str] = set()

    def post(self, channel: str, view: AlertView, key: str, thread_ts: str | None) -> str:
        self.posted.append((thread_ts, view, key))
        if self.fails is not None:
            failure, self.fails = self.fails, None
            raise failure
        return f"{len(self.posted)}.0"

    def find(self, channel: str, key: str, thread_ts: str | None) -> str | None:
        if thread_ts in self.deleted and thread_ts not in self.threads:
            raise ThreadDeleted
        known = [f"{at}.0" for at, (_, _, each) in enumerate(self.posted, 1) if each == key]
        return known[0] if known else None

    def update(self, channel: str, view: AlertView, ts: str) -> None:
        if ts in self.deleted:
            raise SlackClientError("message_not_found")
        self.updated.append((ts, view))

    @property
    def titles(self) -> list[str]:
        return [view.title for _, view, _ in self.posted]

    @property
    def threads(self) -> list[str | None]:
        return [thread_ts for thread_ts, _, _ in self.posted]


IN_TEAM = FixedSight(frozenset({TEAM}))
BOARD = FixedSight(frozenset({TEAM, own_audience(TEAM, SECRET)}))
ONLY_GENERAL = FixedSight(frozenset({TEAM}), channel=GENERAL)
NAMES = {GENERAL: "#general", ALICE: "@alice"}


def alerts(
    database: Database,
    posts: FakePosts,
    *,
    sight: FixedSight = IN_TEAM,
    agents: Problems = dict,
    health: Mapping[str, bool] | None = None,
    in_file: Collection[tuple[str, str]] = (),
) -> Alerts:
    return Alerts(
        database,  # type: ignore[arg-type]
        team=TEAM,
        posts=posts,
        sight_in=lambda team, channel: sight,
        names_for=lambda sight: (
            lambda by, key: {GENERAL: "#general", ALICE: "@alice"}.get(key, key)
        ),
        agents=agents,
        health=lambda: health or {},
        in_file=lambda: in_file,
        slack_errors=(SlackClientError,),
    )


def minutes(found: Alerts, count: int, *, since: int = NOW) -> None:
    for minute in range(count):
        found.run(now=since + minute * MINUTE)


@pytest.mark.parametrize(
    ("condition", "sight", "level", "value"),
    [
        ("count>1", None, "alert", 2),
        ("count>1", BOARD, "alert", 3),
        ("count>2 over:1h", None, "ok", 2),
        ("count>10 over:1h warn:1", None, "warning", 2),
        ("count<5 agent:claude over:1h", None, "alert", 2),
        ("error_rate>30% agent:claude over:1h", None, "no_data", None),
        ("error_rate>30% agent:claude over:1h", BOARD, "alert", 1 / 3),
        ("error_rate>40% over:1h", BOARD, "ok", 1 / 3),
        ("tokens>1k over:1h", None, "alert", 1_560),
        ("cost>0.012 user:U0ALICE over:1h", None, "alert", 12_345),
        ("cost>0.013 user:U0ALICE over:1h", None, "ok", 12_345),
        ("cost>0 user:U0BOB over:1h", None, "ok", 0),
        ("p95>20s over:1h", BOARD, "alert", pytest.approx(31e9, rel=0.01)),
        (f"count>1 channel:{GENERAL} over:1h", None, "alert", 2),
        (f"count>0 channel:{SECRET} over:1h", None, "no_data", None),
        (f"count>0 channel:{SECRET} over:1h", BOARD, "alert", 1),
        ("count>0 agent:echo over:24h", None, "ok", 0),
        ("no_data agent:echo over:24h", None, "alert", 0),
        ("no_data agent:claude over:24h", None, "ok", 2),
        ("count>1 agent:claude over:1h", ONLY_GENERAL, "alert", 2),
        ("count>1 over:1h", ONLY_GENERAL, "alert", 2),
        (f"count>1 channel:{GENERAL} over:1h", ONLY_GENERAL, "alert", 2),
        ("count>2 over:5m", BOARD, "ok", 1),
        ("count>2 over:15m", BOARD, "alert", 3),
        ("count>0 agent:claude over:6m", None, "ok", 0),
        ("error_rate>30% over:15m", BOARD, "alert", 1 / 3),
        ("p95>20s over:15m", BOARD, "alert", pytest.approx(31e9, rel=0.01)),
        ("cost>0.012 user:U0ALICE over:15m", None, "alert", 12_345),
        ("tokens>1k over:15m", ONLY_GENERAL, "alert", 1_560),
        (f"count>0 channel:{SECRET} over:15m", None, "no_data", None),
        (f"count>0 channel:{SECRET} over:15m", BOARD, "alert", 1),
        ("count>1 agent:claude over:15m", ONLY_GENERAL, "alert", 2),
        ("no_data agent:echo over:15m", None, "alert", 0),
        ("running>30s", None, "ok", 0),
        ("agent_check", None, "alert", 2),
        ("agent_check agent:codex", None, "warning", 1),
        ("agent_check agent:claude", None, "ok", 0),
        ("database", None, "warning", 1),
        ("agent_check agent:codex", ONLY_GENERAL, "no_data", None),
        ("database", ONLY_GENERAL, "no_data", None),
    ],
)
def test_a_rule_counts_what_everybody_in_its_channel_may_see(
    observability: Observability, condition: str, sight: FixedSight | None, level: str, value: float
) -> None:
    record_an_hour(observability)
    database = observability.database
    add_rule(database, rule(condition), test=False)
    found = alerts(
        database,
        FakePosts(),
        sight=sight or IN_TEAM,
        agents=lambda: {"codex": False, "gemini": True},
        health={"Log": False},
    )
    minutes(found, 1)
    state = alert_states(database)["a1b2"]
    assert (state.recent[-1], state.value) == (level, value)


@pytest.mark.parametrize(
    ("condition", "sight", "level", "value"),
    [
        ("first_token>2s agent:claude over:15m", IN_TEAM, "alert", 3e9),
        ("first_token>3s over:24h", IN_TEAM, "ok", 3e9),
        ("first_token>3s over:24h warn:2s", BOARD, "alert", pytest.approx(9e9)),
        ("first_token>2s user:U0ALICE over:1h", ONLY_GENERAL, "alert", 3e9),
        ("first_token>1s user:U0BOB over:1h", IN_TEAM, "no_data", None),
        (f"first_token>1s channel:{SECRET}", IN_TEAM, "no_data", None),
    ],
)
def test_an_alert_on_the_time_to_the_first_token(
    observability: Observability, condition: str, sight: FixedSight, level: str, value: float
) -> None:
    for channel, user, seconds in (
        *((GENERAL, ALICE, seconds) for seconds in (1, 2.5, 3)),
        (SECRET, BOB, 9),
    ):
        first = CALL | {"gen_ai.response.time_to_first_chunk": seconds}
        record(
            observability,
            "slack message",
            ago=10 * MINUTE,
            ms=20_000,
            steps=(("attempt claude", 1, 19_000, first),),
            **said(channel, user, "why?", agent="claude", decision="answer"),
        )
    assert observability.flush()
    add_rule(observability.database, rule(condition), test=False)
    minutes(alerts(observability.database, FakePosts(), sight=sight), 1)
    state = alert_states(observability.database)["a1b2"]
    assert (state.recent[-1], state.value) == (level, value)


def test_a_turn_that_runs_for_too_long_is_told(observability: Observability) -> None:
    place = {"platform": "slack", "team": TEAM, "audience": TEAM, "channel": GENERAL}
    turn = {**place, "agent": "claude"}
    span = observability.start_span("slack message", turn, started_at=NOW)
    assert observability.flush()
    posts = FakePosts()
    add_rule(observability.database, rule("running>15m agent:claude"), test=False)
    found = alerts(observability.database, posts)
    minutes(found, HOLD, since=NOW + 16 * MINUTE)
    assert posts.titles == ["Longest running turn of claude: 18 min 00 s"]
    assert posts.posted[0][1].shows == "ps agent:claude"
    span.end(NOW + 19 * MINUTE)
    assert observability.flush()
    minutes(found, HOLD, since=NOW + 19 * MINUTE)
    assert posts.titles[1:] == ["Longest running turn of claude: ok again after 3 min"]


def test_an_alert_is_one_thread_from_its_beginning_to_its_end(
    observability: Observability,
) -> None:
    record_an_hour(observability)
    database, posts = observability.database, FakePosts()
    add_rule(database, rule("count>1 channel:C0GENERAL over:1h"), test=False)
    found = alerts(database, posts)
    minutes(found, 10)
    assert posts.titles == ["Turns of #general: 2"]
    assert posts.posted[0][1].shows == "ls channel:C0GENERAL since:2h"
    minutes(found, 5, since=NOW + 125 * MINUTE)
    assert posts.titles[1:] == ["Turns of #general: ok again after 2 h 05 min, now 0"]
    thread, _, _ = posts.posted[1]
    assert thread == "1.0"
    ((ts, root),) = posts.updated
    assert (ts, root.level, root.acknowledges) == ("1.0", "ok", False)


def test_an_alert_whose_first_message_was_deleted_goes_on_in_a_new_thread(
    observability: Observability,
) -> None:
    record_an_hour(observability)
    posts = FakePosts()
    add_rule(observability.database, rule("count>2 over:1h warn:1"), test=False)
    found = alerts(observability.database, posts)
    minutes(found, 3)
    posts.deleted.add("1.0")
    record_an_hour(observability)
    minutes(found, 3, since=NOW + 3 * MINUTE)
    minutes(found, 6, since=NOW + 125 * MINUTE)
    assert posts.titles == ["Turns: 2", "Turns: 4", "Turns: ok again after 2 h 05 min, now 0"]
    assert posts.threads == [None, None, "2.0"]
    assert posts.posted[1][1].acknowledges
    ((ts, root),) = posts.updated
    assert (ts, root.level) == ("2.0", "ok")
    assert alert_states(observability.database)["a1b2"].posted == 3


def test_an_alert_whose_first_message_was_deleted_is_posted_anew_once(
    observability: Observability,
) -> None:
    record_an_hour(observability)
    database, posts = observability.database, FakePosts()
    add_rule(database, rule("count>1 over:1h"), test=False)
    minutes(alerts(database, posts), HOLD)
    posts.deleted.add("1.0")
    minutes(alerts(database, posts), HOLD - 1, since=NOW + 125 * MINUTE)
    posts.fails = SystemExit()
    with suppress(SystemExit):
        alerts(database, posts).run(now=NOW + 127 * MINUTE)
    alerts(database, posts).run(now=NOW + 127 * MINUTE + LEASE_NS)
    assert posts.titles == ["Turns: 2", "Turns: ok again after 2 h 05 min, now 0"]
    assert alert_states(database)["a1b2"].thread_ts == "2.0"


def test_an_alert_whose_first_message_was_deleted_below_replies_still_ends_with_one_reply(
    observability: Observability,
) -> None:
    record_an_hour(observability)
    posts = FakePosts()
    add_rule(observability.database, rule("count>2 over:1h warn:1"), test=False)
    found = alerts(observability.database, posts)
    minutes(found, 3)
    record_an_hour(observability)
    minutes(found, 3, since=NOW + 3 * MINUTE)
    posts.deleted.add("1.0")
    minutes(found, 6, since=NOW + 125 * MINUTE)
    assert posts.titles == ["Turns: 2", "Turns: 4", "Turns: ok again after 2 h 05 min, now 0"]
    assert posts.threads == [None, "1.0", "1.0"]
    assert alert_states(observability.database)["a1b2"].posted == 3


def test_an_alert_that_outlasts_its_snooze_says_so_in_its_thread_and_for_how_long_it_has_been(
    observability: Observability,
) -> None:
    record_an_hour(observability)
    database, posts = observability.database, FakePosts()
    add_rule(database, rule("count>1 over:1h"), test=False)
    found = alerts(database, posts)
    minutes(found, HOLD)
    obey(database, ["snooze", "a1b2", "8m"], Orderer(user=ALICE), now=NOW + 2 * MINUTE)
    found.redraw(rule("count>1 over:1h"), now=NOW + 2 * MINUTE)
    minutes(found, 30, since=NOW + 3 * MINUTE)
    assert posts.titles == ["Turns: 2", "Turns: 2"]
    assert posts.threads == [None, "1.0"]
    assert "not ok for 8 min" in posts.posted[1][1].facts
    silenced, spoke = (view.facts for _, view in posts.updated)
    assert "silent for" in silenced
    assert "silent for" not in spoke


def test_an_alert_that_has_ended_is_called_that_by_a_button_and_not_silent_for_good(
    observability: Observability, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_an_hour(observability)
    database, posts = observability.database, FakePosts()
    add_rule(database, rule("count>1 over:1h"), test=False)
    found = alerts(database, posts)
    minutes(found, HOLD)

    def fail(channel: str, view: AlertView, ts: str) -> None:
        raise SlackClientError("internal_error")

    with monkeypatch.context() as unwell:
        unwell.setattr(posts, "update", fail)
        minutes(found, HOLD, since=NOW + 125 * MINUTE)
    at = NOW + 130 * MINUTE
    obey(database, ["snooze", "a1b2", "8m"], Orderer(user=ALICE), now=at)
    found.redraw(rule("count>1 over:1h"), now=at)
    minutes(found, 30, since=at)
    (_, ended), *_ = posts.updated
    assert "ok again" in ended.title
    assert "silent for" not in ended.facts


def test_slack_is_asked_for_a_message_of_an_alert_in_a_long_thread_and_in_none(
    sandbox: Sandbox, general: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.jobs.alerts.PAGE", 3)
    client = WebClient(token=sandbox.bot_token, base_url=sandbox.api_url)
    posts = SlackPosts(client, client.auth_test()["bot_id"])
    view = trial_view(rule("count>1"), AlertState(rule_id="a1b2"), name_of=lambda by, key: key)
    root = posts.post(general.id, view, "first", None)
    told = [posts.post(general.id, view, f"reply {number}", root) for number in range(8)]
    assert posts.find(general.id, "first", None) == root
    assert [posts.find(general.id, f"reply {at}", root) for at in range(8)] == told
    assert posts.find(general.id, "reply 8", root) is None
    gone = posts.post(general.id, view, "second", None)
    client.chat_delete(channel=general.id, ts=gone)
    with pytest.raises(ThreadDeleted):
        posts.find(general.id, "reply 9", gone)


def test_a_new_rule_says_in_its_channel_that_it_watches(database: Database) -> None:
    posts = FakePosts()
    add_rule(database, rule("cost>5 agent:claude over:1h warn:2"))
    minutes(alerts(database, posts), 2)
    ((_, view, _),) = posts.posted
    assert view.title == "Test: alerts about “Cost of claude” arrive here. It is $0.00 now."
    assert view.facts == "alert above $5.00, warning above $2.00, over 1h · alert a1b2"


def test_processes_that_race_evaluate_and_speak_once(
    observability: Observability, db_path: Path
) -> None:
    record_an_hour(observability)
    posts = FakePosts()
    add_rule(observability.database, rule("count>1 over:1h"))
    gate = threading.Barrier(4)

    def run() -> None:
        own = open_database(db_path)
        found = alerts(own, posts)
        for minute in range(HOLD):
            gate.wait()
            found.run(now=NOW + minute * MINUTE)
        own.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # What a process found waiting while another one had the lease is said at the next tick.
    alerts(observability.database, posts).run(now=NOW + HOLD * MINUTE)
    assert [title.split(":")[0] for title in posts.titles] == ["Test", "Turns"]


@pytest.mark.parametrize("failure", [SystemExit(), SlackClientError("no answer came")])
def test_a_process_that_dies_after_posting_leaves_no_second_message(
    observability: Observability, failure: BaseException
) -> None:
    record_an_hour(observability)
    database, posts = observability.database, FakePosts()
    add_rule(database, rule("count>1 over:1h"), test=False)
    found = alerts(database, posts)
    minutes(found, HOLD - 1)
    posts.fails = failure
    with suppress(SystemExit):
        found.run(now=NOW + HOLD * MINUTE)
    assert alert_states(database)["a1b2"].posted == 0
    alerts(database, posts).run(now=NOW + HOLD * MINUTE + LEASE_NS)
    assert len(posts.posted) == 1
    assert alert_states(database)["a1b2"].thread_ts == "1.0"


def test_a_change_that_was_counted_by_a_process_that_died_is_said_by_the_next(
    observability: Observability,
) -> None:
    record_an_hour(observability)
    database, posts = observability.database, FakePosts()
    add_rule(database, rule("count>1 over:1h"), test=False)
    for minute in range(HOLD):
        alerts(database, FakePosts()).evaluate(now=NOW + minute * MINUTE)
    minutes(alerts(database, posts), 3, since=NOW + 10 * MINUTE)
    assert posts.titles == ["Turns: 2"]


def test_the_alerts_of_the_agents_file_are_added_once_and_end_with_it(database: Database) -> None:
    rules = [(GENERAL, "cost>5 over:1h"), (GENERAL, "count>5 over:6h")]
    posts = FakePosts()
    minutes(alerts(database, posts, in_file=rules), 2)
    minutes(alerts(database, posts, in_file=rules), 2, since=NOW + 5 * MINUTE)
    assert len(posts.titles) == 2
    assert {each.condition for each in alert_rules(database)} == {rule for _, rule in rules}
    first = alert_rules(database)[0]
    with pytest.raises(UsageError, match="comes from the agents file"):
        obey(database, ["remove", first.id], Orderer(user=ALICE), now=NOW)
    minutes(alerts(database, posts), 1, since=NOW + 9 * MINUTE)
    assert alert_rules(database) == ()


def test_the_alerts_of_the_agents_file_are_stored_again_in_a_database_that_was_restored(
    database: Database, db_path: Path
) -> None:
    copy = db_path.with_name("before.db")
    backup(database, copy)  # type: ignore[arg-type]
    found = alerts(database, FakePosts(), in_file=[(GENERAL, "count<1 over:1h")])
    minutes(found, 1)
    (before,) = alert_rules(database)
    restore(database, copy, force=True)  # type: ignore[arg-type]
    assert alert_rules(database) == ()
    minutes(found, 1, since=NOW + MINUTE)
    assert [each.id for each in alert_rules(database)] == [before.id]


def test_processes_with_different_agents_files_do_not_undo_each_others_alerts(
    database: Database,
) -> None:
    both, other = (GENERAL, "count<1 over:1h"), (GENERAL, "cost>5 over:1h")
    posts = FakePosts()
    files = {"old": [both, other], "new": [both]}
    old, new = (alerts(database, posts, in_file=files[name]) for name in files)
    for minute in range(4):
        for process in (old, new):
            process.run(now=NOW + minute * MINUTE)
    assert len(posts.titles) == 3, "each was tested once, and the first one has spoken"
    assert [each.condition for each in alert_rules(database)] == [both[1]]
    files["new"].append(other)  # Its file is read again.
    minutes(new, 1, since=NOW + 5 * MINUTE)
    minutes(old, 1, since=NOW + 6 * MINUTE)
    assert {each.condition for each in alert_rules(database)} == {both[1], other[1]}


def test_a_rule_of_another_version_keeps_no_other_from_being_told(database: Database) -> None:
    posts = FakePosts()
    add_rule(database, rule("sentiment<3 over:1h", id="5629"))
    add_rule(database, rule("no_data over:1h"))
    minutes(alerts(database, posts), 3)
    assert "No turn in 1 h" in posts.titles
    states = alert_states(database)
    view = alerts_view([(each, states[each.id]) for each in alert_rules(database)], now=NOW)
    unread, told = sorted(view.lines, key=lambda line: line.rule, reverse=True)
    assert (unread.id, unread.rule, told.level) == ("5629", "sentiment<3 over:1h", "alert")
    assert "cannot read the rule" in unread.note
    assert "sentiment" in json.dumps(render(view))


def test_a_rule_on_agents_that_cannot_be_checked_keeps_no_other_from_being_told(
    database: Database,
) -> None:
    def fail() -> Mapping[str, bool]:
        raise PermissionError(13, "Permission denied")

    posts = FakePosts()
    for id, condition in enumerate(["agent_check", "agent_check agent:claude", "no_data over:1h"]):
        add_rule(database, rule(condition, id=str(id)), test=False)
    minutes(alerts(database, posts, agents=fail), 3)
    assert posts.titles == ["No turn in 1 h"]


def test_an_alert_that_this_version_cannot_show_can_be_acknowledged(database: Database) -> None:
    posts, unread = FakePosts(), rule("sentiment<3 over:1h")
    add_rule(database, unread, test=False)
    note_posted(database, unread.id, seq=1, thread_ts="1.0")  # type: ignore[arg-type]
    alerts(database, posts).redraw(unread, now=NOW)
    assert posts.updated == []


def shown(message: Message) -> str:
    return str(message.blocks)


def test_an_alert_is_added_acknowledged_and_removed_in_slack(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: Callable[..., Bot],
    alice: User,
    general: Channel,
) -> None:
    bot = start_bot()
    (answer,) = sandbox.command(alice, general, "/trace", "alerts add no_data agent:echo over:6h")
    assert "is added" in shown(answer)
    test = sandbox.wait_for_message(general, containing="Test: ")
    assert test.metadata["event_type"] == "tracebot_alert"
    (kept,) = alert_rules(observability.database)
    assert (kept.channel, kept.condition) == (general.id, "no_data agent:echo over:6h")
    for minute in range(HOLD):
        bot.scheduler.tick(now=kept.created_at + minute * MINUTE)
    alert = sandbox.wait_for_message(general, containing="No turn of echo in 6 h")

    def saying(text: str) -> bool:
        sandbox.wait_until(lambda: any(text in shown(each) for each in sandbox.messages(general)))
        return True

    sandbox.click(alice, alert, "trace_acknowledge")
    assert saying("acknowledged by @alice")
    sandbox.click(alice, alert, "trace_snooze")
    assert saying("silent for 2 h")
    (traces,) = sandbox.click(alice, alert, "trace_run", responses=1)
    assert traces.ephemeral_to == alice.id
    assert saying("silent for 2 h"), "the message that everybody reads stays"
    sandbox.command(alice, general, "/trace", f"alerts snooze {kept.id} off")
    sandbox.wait_until(
        lambda: not any("silent for" in shown(each) for each in sandbox.messages(general))
    )
    sandbox.command(alice, general, "/trace", f"alerts snooze {kept.id} 3h")
    assert saying("silent for 3 h")
    (listed,) = sandbox.command(alice, general, "/trace", "alerts")
    assert f"`{kept.id}` `no_data agent:echo over:6h`" in shown(listed)
    assert "#general" in shown(listed)
    (answer,) = sandbox.command(alice, general, "/trace", f"alerts remove {kept.id}")
    assert "is removed" in shown(answer)
    assert not alert_rules(observability.database)


def test_an_alert_of_a_private_channel_is_not_changed_from_outside(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: Callable[..., Bot],
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    bob = sandbox.add_user("bob")
    sandbox.join(bob, general)
    board = sandbox.add_channel("board", [alice], private=True)
    sandbox.command(alice, board, "/trace", "alerts add cost>5")
    (kept,) = alert_rules(observability.database)
    (answer,) = sandbox.command(alice, board, "/trace", f"alerts snooze {kept.id} 99999999999d")
    assert "longer than a year" in shown(answer)
    for words in (f"alerts remove {kept.id}", f"alerts snooze {kept.id}", f"alerts test {kept.id}"):
        (answer,) = sandbox.command(bob, general, "/trace", words)
        assert "There is no alert" in shown(answer)
    (answer,) = sandbox.command(bob, general, "/trace", "alerts")
    assert kept.id not in shown(answer)
    (answer,) = sandbox.command(alice, general, "/trace", f"alerts add count>3 channel:{board.id}")
    assert "Not everyone in this channel" in shown(answer)
    assert len(alert_rules(observability.database)) == 1
    state = alert_states(observability.database)[kept.id]
    assert (state.snoozed_until, state.tests) == (0, 1)


def test_where_guests_read_an_alert_speaks_of_no_other_channel(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: Callable[..., Bot],
    alice: User,
    general: Channel,
) -> None:
    bot = start_bot()
    other = sandbox.add_channel("other", [alice])
    place = {"platform": "slack", "team": sandbox.team_id, "audience": sandbox.team_id}
    for channel in (other, other, general):
        turn = {**place, "channel": channel.id, "agent": "echo", "decision": "answer"}
        observability.start_span("slack message", turn).end()
    assert observability.flush()
    for words in (f"count>1 channel:{other.id}", "count>1 agent:echo"):
        sandbox.command(alice, general, "/trace", f"alerts add {words}")
    of_other, of_echo = alert_rules(observability.database)
    for minute in range(HOLD):
        bot.scheduler.tick(now=of_other.created_at + minute * MINUTE)
    sandbox.wait_for_message(general, containing="Turns of #other: 2")
    sandbox.wait_for_message(general, containing="Turns of echo: 3")
    sandbox.join(sandbox.add_user("gus", guest=True), general)

    def is_refused() -> bool:
        words = f"alerts add count>3 channel:{other.id}"
        return "Not everyone in this channel" in ask(sandbox, alice, general, words)

    eventually(is_refused)  # Once the bot knows that a guest has come.
    ask(sandbox, alice, general, f"alerts test {of_echo.id}")
    sandbox.wait_for_message(general, containing="about “Turns of echo” arrive here. It is 1 now")
    for measure in ("database", "agent_check agent:echo"):
        answer = ask(sandbox, alice, general, f"alerts add {measure}")
        assert "how the bot itself fares cannot be told here" in answer
    later = count(HOLD)

    def told() -> str:
        bot.scheduler.tick(now=of_other.created_at + next(later) * MINUTE)
        return str([shown(each) for each in sandbox.messages(general)])

    eventually(lambda: "Turns of echo: ok again" in told())
    eventually(lambda: f"Turns of {other.id}: no data any more" in told())
    assert "#other" not in told().replace("alerts about “Turns of #other”", "")


def test_a_rule_with_a_name_of_two_words_is_refused_and_the_others_still_speak(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: Callable[..., Bot],
    alice: User,
    general: Channel,
) -> None:
    bot = start_bot()
    (answer,) = sandbox.command(alice, general, "/trace", 'alerts add count>0 "agent:my agent"')
    assert "is not a name" in shown(answer)
    (listed,) = sandbox.command(alice, general, "/trace", "alerts")
    in_modal(sandbox, alice, lambda: sandbox.click(alice, listed, "trace_alert"))
    sandbox.submit(alice, inputs("count", limit="5", whose="agent:my agent"))
    eventually(lambda: "is not a name" in shown(sandbox.ephemerals(alice, general)[-1]))
    sandbox.command(alice, general, "/trace", "alerts add no_data agent:echo over:6h")
    (kept,) = alert_rules(observability.database)
    for minute in range(HOLD):
        bot.scheduler.tick(now=kept.created_at + minute * MINUTE)
    sandbox.wait_for_message(general, containing="No turn of echo in 6 h")


def test_an_alert_is_added_with_a_form(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: Callable[..., Bot],
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    (listed,) = sandbox.command(alice, general, "/trace", "alerts")
    form = in_modal(sandbox, alice, lambda: sandbox.click(alice, listed, "trace_alert"))
    assert "Error share: the share of turns that failed" in form
    refused = sandbox.submit(alice, inputs("error_rate", limit="200%"))
    assert refused and "is not a share" in refused["errors"]["limit"]
    refused = sandbox.submit(alice, inputs("cost", limit="5", warn="9"))
    assert refused and "must be below" in refused["errors"]["warn"]
    refused = sandbox.submit(alice, inputs("cost", limit="5", whose="echo"))
    assert refused and "echo is not a measure" in refused["errors"]["whose"]
    assert not sandbox.submit(alice, inputs("count", limit="<9", warn="20", whose="agent:echo"))
    assert sandbox.wait_for_message(general, containing="Test: ")
    (kept,) = alert_rules(observability.database)
    assert kept.condition == "count<9 agent:echo over:24h warn:20"


def inputs(measure: str, **texts: str) -> dict[str, dict[str, dict[str, object]]]:
    chosen = {"measure": measure, "over": "24h"}
    options = {name: {"selected_option": {"value": value}} for name, value in chosen.items()}
    typed = {name: {"value": value} for name, value in texts.items()}
    return {name: {name: each} for name, each in {**options, **typed}.items()}
