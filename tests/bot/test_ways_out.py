"""No way out of the bot tells a person of a conversation that they are not in, forged or not."""

import json
import re
from functools import partial
from typing import Any

import pytest

from bot.lifecycle import Bot
from bot.replies.buttons import ASK_ANYWAY, RAISE_BUDGET, TRY_AGAIN, TRY_ANOTHER, UNTOLD
from bot.sandbox import Channel, Sandbox, User
from bot.sandbox.state.values import Json
from reports.commands.filters import STATUSES
from reports.commands.issues import CHANGES
from reports.commands.parser import DIMENSIONS, build_parser
from reports.render import block_kit
from reports.render.block_kit import (
    AGAIN,
    DIGEST_CHANGE,
    DIGEST_OFF,
    FORGET,
    ISSUE,
    RAW,
    RUN,
    SHARE,
    SHOW,
    STOP,
)
from reports.render.block_kit import ALERT_ACKNOWLEDGE as ACKNOWLEDGE
from reports.render.block_kit import ALERT_ADD as ADD
from reports.render.block_kit import ALERT_SNOOZE as SNOOZE
from storage import Observability
from storage.coordination.alert_rules import (
    AlertRule,
    AlertState,
    add_rule,
    alert_rules,
    alert_states,
)
from storage.coordination.budgets import Budget, Dimension, add_budget, budgets
from storage.coordination.issue_states import states
from storage.model.span import own_audience
from storage.queries.issues import issues
from storage.tracing.current import enter, leave
from tests.support.conversations import StartBot, eventually
from tests.support.traces_in_slack import ask, in_modal, press

SECRET = "the-merger-is-on-friday"
ID = "01" + "ab" * 15
REMOVED = "01" + "cd" * 15
TS = "1795678544.000100"
RULE = "5ec7"

WORDS = [
    *("ls", "ls --all", "ls --limit 10", f"ls {SECRET}", "ls --since 30d", "ls --platform slack"),
    *("ls --channel {channel} --all", "ls --user {user} --all", "ls --agent secret-agent"),
    *(f"ls --status {status} --all" for status in STATUSES),
    *("ls channel:{channel} --all", "ls -agent:claude model:secret-model provider:secret-provider"),
    *(
        "ls cost>0 --all",
        "ls tokens<1000000 -user:{user}",
        "slow cost>0",
        "errors agent:secret-agent",
    ),
    *("stats agent:secret-agent", "stats channel:{channel} --by hour", "ps model:secret-model"),
    *(
        "stats model:secret-model",
        "stats user:{user}",
        "ls cost:1",
        "ls agnt:nobody",
        "ls feedback:up",
    ),
    *(
        "show",
        "show {id}",
        f"show {ID[:4]}",
        f"show {REMOVED}",
        "show {link}",
        "show {link}?thread_ts=1.1",
    ),
    *("why {id}", f"why {ID[:4]}", "why {link}", "why {link}?thread_ts=1.1"),
    *("thread", "thread {link}", f"thread {{channel}} {TS}"),
    *(f"stats --by {by} --since 30d" for by in DIMENSIONS),
    *(f"errors {change} {{issue}}" for change in CHANGES),
    *(
        "stats",
        "cost",
        "cost --since 30d",
        "cost --compare",
        "errors",
        "slow",
        f"search {SECRET}",
        "search merger",
    ),
    *("logs", "logs {id}", "logs --since 30d --level debug", f"logs {ID[:4]}", "logs {link}"),
    *("metrics", "metrics secret.metric", "metrics secret.metric --since 30d"),
    *("ps", "ps --processes", "cancel {id}", "digest now", "budget", "health", "help"),
    *("budget add 1/day user:{user}", "budget raise 3f2a1b 5", "budget remove 3f2a1b"),
    *("alerts", f"alerts test {RULE}", f"alerts snooze {RULE} 2h", f"alerts remove {RULE}"),
    *("alerts add count>0 channel:{channel}", "alerts add count>0 user:{user}"),
    "alerts add count>0 agent:SECRET-AGENT",
    *("forget", "forget {user}", "forget <@{user}>", "forget @alice"),
]

SPANS = (
    {"name": "slack message", "status": "ok"},
    {"name": "slack message", "status": "error"},
    {"name": "slack message", "status": "running"},
)


@pytest.fixture
def bot(start_bot: StartBot) -> Bot:
    return start_bot()


@pytest.fixture
def board(sandbox: Sandbox, alice: User) -> Channel:
    return sandbox.add_channel("board-secret", [alice], private=True)


@pytest.fixture
def mallory(sandbox: Sandbox, general: Channel) -> User:
    """Return a full member who is in the public channel only."""
    mallory = sandbox.add_user("mallory")
    sandbox.join(mallory, general)
    return mallory


@pytest.fixture(autouse=True)
def _recorded(
    bot: Bot, sandbox: Sandbox, observability: Observability, alice: User, board: Channel
) -> None:
    """Record turns in the private channel that ended, failed and still run."""
    place: dict[str, Any] = {
        "team": sandbox.team_id,
        "channel": board.id,
        "audience": own_audience(sandbox.team_id, board.id),
        "platform": "slack",
        "user": alice.id,
        "agent": "secret-agent",
        "configured_provider": "secret-provider",
        "provider": "secret-provider",
        "model": "secret-model",
        "input_tokens": 424_242,
        "cost": 424_242,
        "text": SECRET,
        "thread_ts": TS,
        "message_ts": TS,
        "decision": "answer",
        "reason": "secret_reason",
    }
    for kind in SPANS:
        span = observability.start_span(kind["name"], place, kind="consumer")
        token = enter(span)  # Not CurrentSpan, which ends it.
        observability.record_metric("secret.metric", 424_242)
        observability.log_structured("error", SECRET, {})
        leave(token, span)
        if kind["status"] == "error":
            span.fail("secret_error", SECRET)
        if kind["status"] != "running":
            span.end()
        if kind["status"] == "ok":
            ids["id"] = span.trace_id
    assert observability.flush()
    whose: list[tuple[str, Dimension, str]] = [
        ("3f2a1b", "channel", board.id),
        ("3f2a1c", "user", alice.id),
    ]
    for id, dimension, key in whose:
        budget = Budget(
            id=id,
            dimension=dimension,
            key=key,
            period="day",
            soft=424_242,
            created_by=alice.id,
            created_at=1,
        )
        add_budget(observability.database, budget)
    (issue,) = issues(observability.database, since=0)[0]
    ids["issue"] = issue.id
    rule = AlertRule(
        id=RULE,
        team=sandbox.team_id,
        channel=board.id,
        condition="cost>1 agent:secret-agent over:1h",
        created_by=alice.id,
        created_at=1,
    )
    add_rule(observability.database, rule, test=False)


ids: dict[str, str] = {}

LEAK = re.compile("merger|secret|424,242|board|0\\.42")


def leaks(text: str, words: str, *more: str) -> list[str]:
    """Return what the text tells, apart from what the person wrote themselves."""
    for written in words.split():
        for part in (written, *re.split("[:<>]", written)[1:]):
            text = text.replace(part, "") if part else text
    return [*LEAK.findall(text), *(each for each in more if each in text)]


def test_no_command_tells_of_it(
    sandbox: Sandbox, alice: User, mallory: User, general: Channel, board: Channel
) -> None:
    link = f"https://x.slack.com/archives/{board.id}/p{TS.replace('.', '')}"
    told = {}
    for form in WORDS:
        words = form.format(**ids, channel=board.id, user=alice.id, link=link)
        said = ask(sandbox, mallory, general, words)
        if found := leaks(said, words, board.id, alice.id, ids["id"][:16]):
            told[form] = found
    assert told == {}
    assert LEAK.search(ask(sandbox, alice, general, "ls"))


def test_every_command_is_tried(sandbox: Sandbox) -> None:
    commands = set(build_parser(prog="/trace", shell=False)[1].choices)
    assert {words.split()[0] for words in WORDS} == commands


def forged_values(board: Channel, alice: User) -> list[tuple[str, str]]:
    def page(words: str) -> str:
        return f"{words} --cursor {2**62}-f"

    trace_ids = (ids["id"], ids["id"][:8], ids["id"][:4])
    return [
        *(
            (action, value)
            for action in (SHOW, f"{SHOW}_7", SHARE, RAW, AGAIN)
            for value in trace_ids
        ),
        *((f"{RAW}_1", f"{value} 1") for value in trace_ids),
        *((action, ids["id"]) for action in (STOP, f"{STOP}_1")),
        *((action, RULE) for action in (ACKNOWLEDGE, SNOOZE, ADD)),
        *((DIGEST_CHANGE, channel) for channel in (board.id, "", "C0NONE")),
        *((f"{DIGEST_OFF}_1", channel) for channel in (board.id, "", "C0NONE")),
        *((FORGET, value) for value in (alice.id, board.id, "@alice", "")),
        *((f"{ISSUE}_0", f"{change} {ids['issue']} since:7d") for change in CHANGES),
        (f"{ISSUE}_0", f"reopen {ids['issue']} resolve {ids['issue']}"),
        *((RUN, words) for words in WORDS),
        *((RUN, f"{words} {SECRET}") for words in ("search", "ls --all", "show")),
        *((RUN, f"stats --by {by} --since 30d --compare") for by in DIMENSIONS),
        *((RUN, f"show {value}") for value in trace_ids),
        *(
            (RUN, f"{words} {ids['id']}")
            for words in ("cancel", "forget", "digest", "budget", "", "run --")
        ),
        (RUN, page("ls")),
        (RUN, page("ls --all --limit 10")),
        (RUN, page(f"ls channel:{board.id} --all")),
        (RUN, page(f"ls user:{alice.id} merger")),
        (RUN, page(f"search {SECRET}")),
        (RUN, page("ls -status:ok cost>0 tokens>0 duration>0s feedback:up")),
        (RUN, page("ls --limit 1000000000")),
        (RUN, page(f"ls since:{10**30}d")),
        (RUN, f"ls --cursor {10**40}-f"),
        (RUN, 'ls --cursor "9\' OR 1=1 --"'),
        (RUN, "ls 'not closed"),
        (RUN, json.dumps({"filters": {"words": [SECRET]}, "cursor": f"{2**62}-f"})),
        (RUN, ""),
    ]


def forged_attempts() -> list[tuple[str, str]]:
    """Return values of the buttons below replies and notes, as if the question were here."""
    attempt = f"{ids['id']} {TS} secret-agent"
    return [
        *((action, attempt) for action in (TRY_AGAIN, TRY_ANOTHER, ASK_ANYWAY)),
        *((RAISE_BUDGET, f"3f2a1b {amount} {attempt}") for amount in ("9000000", UNTOLD)),
    ]


def test_no_forged_button_tells_of_it_and_each_is_answered(
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    mallory: User,
    general: Channel,
    board: Channel,
) -> None:
    (message,) = sandbox.command(mallory, general, "/trace", "help")
    before = len(sandbox.messages(general))
    for action, value in (*forged_values(board, alice), *forged_attempts()):
        observability.flush()  # Of her own commands, a list shows the last and not "search merger".
        said = press(sandbox, mallory, message, action, value)
        assert said, (action, value)
        assert not leaks(said, value, board.id, alice.id), (action, value, said)
    assert len(sandbox.messages(general)) == before, "nothing was posted for all to see"
    assert SECRET in ask(sandbox, alice, general, "ls"), "nothing was erased"
    assert states(observability.database, [ids["issue"]]) == {}, "no issue was changed"
    assert {each.soft for each in budgets(observability.database)} == {424_242}


def forged_on_home(board: Channel, alice: User) -> list[tuple[str, str]]:
    return [
        *((f"{RUN}_{button}", words) for button, words in HOME_COMMANDS),
        *((f"{RUN}_mine", f"errors {change} {ids['issue']}") for change in CHANGES),
        *((action, ids["id"]) for action in (f"{SHOW}_9", f"{STOP}_9")),
        *((action, RULE) for action in (f"{SNOOZE}_9", f"{ACKNOWLEDGE}_9", ADD)),
        *((f"{action}_9", board.id) for action in (DIGEST_CHANGE, DIGEST_OFF)),
    ]


HOME_COMMANDS = (
    ("mine", f"ls {SECRET} --all"),
    ("mine", f"show {ID[:4]}"),
    ("by_agent", "stats --by user --since 30d"),
    ("issues", "errors since:30d"),
    ("issues", "budget raise 3f2a1b 5"),
    ("alert", f"alerts snooze {RULE} 2h"),
)


def forge_on_home(sandbox: Sandbox, user: User, action: str, value: str) -> None:
    """Put a button on somebody's Home tab."""
    place = f"home:{user.id}"
    button = {"type": "button", "action_id": action, "value": value, "text": {"text": "x"}}
    home = sandbox._slack.views[place]
    row = {"type": "actions", "block_id": "forged", "elements": [button]}
    # The tab may have been published again since.
    kept = [block for block in home["blocks"] if block.get("block_id") != "forged"]
    sandbox._slack.views[place] = home | {"blocks": [*kept, row]}


def test_no_forged_button_of_the_home_tab_tells_of_it(
    sandbox: Sandbox,
    observability: Observability,
    mallory: User,
    alice: User,
    general: Channel,
    board: Channel,
) -> None:
    place = f"home:{mallory.id}"
    sandbox.open_home(mallory)
    sandbox.wait_until(lambda: place in sandbox._slack.views)
    for action, value in forged_on_home(board, alice):
        forge_on_home(sandbox, mallory, action, value)
        press_it = partial(sandbox.press, mallory, action, home=True)
        said = in_modal(sandbox, mallory, press_it)
        assert not leaks(said, value, board.id, alice.id), (action, value, said)
    assert states(observability.database, [ids["issue"]]) == {}, "no issue was changed"
    assert [each.id for each in alert_rules(observability.database)] == [RULE]
    assert alert_states(observability.database)[RULE] == AlertState(rule_id=RULE, since=1)
    assert SECRET in ask(sandbox, alice, general, "ls"), "nothing was stopped or erased"


def test_the_prompts_of_the_messages_tab_do_not_tell_of_it(
    sandbox: Sandbox, mallory: User, alice: User
) -> None:
    def prompts(user: User) -> str:
        channel = sandbox.open_dm(user)
        sandbox.open_home(user, tab="messages")
        sandbox.wait_until(lambda: channel.id in sandbox._slack.prompts)
        return str(sandbox._slack.prompts[channel.id])

    assert "Ask " in prompts(mallory)
    assert not leaks(prompts(mallory), "", alice.id)


def test_what_has_no_response_url_is_refused_all_the_same(
    sandbox: Sandbox,
    observability: Observability,
    mallory: User,
    alice: User,
    board: Channel,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Press buttons of replies on the Home tab, and submit a form there for a private channel."""
    sandbox.open_home(mallory)
    sandbox.wait_until(lambda: f"home:{mallory.id}" in sandbox._slack.views)
    for action, value in forged_attempts():
        forge_on_home(sandbox, mallory, action, value)
        sandbox.press(mallory, action, home=True)
    refused = "A click outside of a message was not answered"
    eventually(lambda: caplog.text.count(refused) == len(forged_attempts()))
    forge_on_home(sandbox, mallory, ADD, "add")
    in_modal(sandbox, mallory, partial(sandbox.press, mallory, ADD, home=True))
    values = {
        "measure": {"selected_option": {"value": "count"}},
        "limit": {"value": "0"},
        "where": {"selected_conversation": board.id},
    }
    sandbox.submit(mallory, {name: {name: value} for name, value in values.items()})
    direct = sandbox.open_dm(mallory)
    sandbox.wait_until(lambda: bool(sandbox.messages(direct)))
    assert not leaks(str(sandbox.messages(direct)), "", board.id, alice.id)
    assert [each.id for each in alert_rules(observability.database)] == [RULE]


def test_a_button_with_a_command_changes_nothing_even_for_those_who_may(
    sandbox: Sandbox, observability: Observability, alice: User, general: Channel
) -> None:
    (message,) = sandbox.command(alice, general, "/trace", "help")
    changing = [
        *((RUN, f"errors {change} {ids['issue']}") for change in CHANGES),
        (RUN, f"ERRORS since:30d resolve {ids['issue']}"),
        (f"{ISSUE}_0", f"reopen {ids['issue']} resolve {ids['issue']}"),
    ]
    for action, value in changing:
        assert "out of date" in press(sandbox, alice, message, action, value), (action, value)
    assert states(observability.database, [ids["issue"]]) == {}


def test_every_button_is_forged(alice: User, board: Channel) -> None:
    known = {
        value
        for name, value in vars(block_kit).items()
        if name.isupper() and isinstance(value, str) and value.startswith("trace_")
    }
    forged = {action.rstrip("_0123456789") for action, _ in forged_values(board, alice)}
    assert forged == known


def test_no_message_leads_the_shortcut_to_it(
    sandbox: Sandbox, mallory: User, general: Channel
) -> None:
    """Another app may write our metadata, or an id, into a message of its own."""
    other = sandbox.add_bot("claude")
    sandbox.join(other, general)
    payloads: list[Json] = [{"trace_id": ids["id"]}, {"trace_id": "--json x"}, {"trace_id": None}]
    for payload in (*payloads, {"trace_id": ids["id"][:6]}, {}):
        metadata = {"event_type": "tracebot_reply", "event_payload": payload}
        message = sandbox.post(other, general, "look", metadata=metadata)
        press_it = partial(sandbox.shortcut, mallory, message, "show_trace")
        assert not leaks(in_modal(sandbox, mallory, press_it), ids["id"])


def test_the_home_tab_shows_nothing_of_it(
    sandbox: Sandbox, mallory: User, alice: User, board: Channel
) -> None:
    sandbox.open_home(mallory)
    sandbox.wait_until(lambda: f"home:{mallory.id}" in sandbox._slack.views)
    view = sandbox.home(mallory)
    assert not leaks(json.dumps(view), "", board.id, alice.id)


def test_an_alert_of_a_channel_that_the_bot_left_is_not_there(
    sandbox: Sandbox, mallory: User, general: Channel, board: Channel
) -> None:
    """Slack answers about that channel as about one that never was."""
    sandbox.leave(sandbox.bot_user_id, board)
    sandbox.settle()
    assert f"There is no alert {RULE}" in ask(sandbox, mallory, general, f"alerts snooze {RULE}")


def test_nobody_stops_a_turn_that_they_may_not_see(
    sandbox: Sandbox, mallory: User, alice: User, general: Channel
) -> None:
    assert "Nothing found" in ask(sandbox, mallory, general, f"cancel {ids['id']}")
    assert "already ended" in ask(sandbox, alice, general, f"cancel {ids['id']}")
