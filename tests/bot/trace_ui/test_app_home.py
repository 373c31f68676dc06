"""The app's Home tab shows what its user may see, and its buttons work."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from bot.agents.errors import AgentCrashed
from bot.agents.types import AccessRule
from bot.sandbox import Channel, Sandbox, SandboxError, User
from bot.slack.connection.response_url import NOT_SHOWN
from storage import Observability
from storage.coordination.alert_rules import alert_rules, change_state
from storage.coordination.digest_subscriptions import Subscription, subscribe
from storage.model.span import own_audience
from tests.support.conversations import StartBot, ended, eventually, finished
from tests.support.fake_agent import Scripted, roster_of
from tests.support.traces_in_slack import in_modal


def inputs(days: str, at: str, zone: str) -> Mapping[str, object]:
    """Return what the form of a digest is submitted with."""
    return {
        "days": {"days": {"type": "static_select", "selected_option": {"value": days}}},
        "time": {"time": {"type": "timepicker", "selected_time": at}},
        "zone": {"zone": {"type": "plain_text_input", "value": zone}},
        "quiet": {"quiet": {"type": "checkboxes", "selected_options": []}},
    }


def home(sandbox: Sandbox, user: User) -> list[Any]:
    """Open the tab and return its blocks once they are published."""
    return published(sandbox, user, lambda: sandbox.open_home(user))


def published(sandbox: Sandbox, user: User, act: Callable[[], object]) -> list[Any]:
    """Do what publishes somebody's tab anew, and return its blocks."""
    place = f"home:{user.id}"
    before = sandbox._slack.views.get(place)
    act()
    sandbox.wait_until(lambda: sandbox._slack.views.get(place) is not before, 20.0)
    blocks: list[Any] = sandbox.home(user)["blocks"]
    return blocks


def agents(blocks: list[Any]) -> list[str]:
    """Return the lines about agents."""
    start = next(n for n, block in enumerate(blocks) if "Agents, and" in str(block)) + 1
    end = next(n for n, block in enumerate(blocks[start:], start) if block["type"] == "divider")
    return [block["text"]["text"] for block in blocks[start:end]]


def test_the_home_tab_shows_its_users_traces_statistics_and_help(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    bob = sandbox.add_user("bob")
    sandbox.join(bob, general)
    for user, text in ((alice, "alices question"), (bob, "bobs question")):
        question = sandbox.post(user, general, f"{sandbox.mention} {text}")
        finished(observability, general, question.ts)
    blocks = home(sandbox, alice)
    assert "alices question" in str(blocks)
    assert "bobs question" not in str(blocks)
    assert "Nothing is running." in str(blocks)
    (figures,) = [block["fields"] for block in blocks if "fields" in block]
    assert figures[0]["text"] == "*Traces*\n2  _new_"
    # Seven days until now are no week of the calendar.
    assert "The last 7 days, compared with the 7 before" in str(blocks)
    assert "/trace show" in str(blocks)
    in_modal(sandbox, alice, lambda: sandbox.press(alice, "trace_show_0", home=True))
    sandbox.wait_until(lambda: "alices question" in str(sandbox.modal(alice)))


def test_a_press_for_which_no_modal_opens_is_told_directly_to_try_again(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    question = sandbox.post(alice, general, f"{sandbox.mention} hello")
    finished(observability, general, question.ts)
    home(sandbox, alice)
    sandbox.faults.error("views.open", "expired_trigger_id")
    sandbox.press(alice, "trace_show_0", home=True)
    direct = sandbox.open_dm(alice)
    eventually(lambda: bool(sandbox.messages(direct)))
    (told,) = sandbox.messages(direct)
    assert told.text == NOT_SHOWN


def test_a_running_turn_is_stopped_on_the_home_tab(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    agent = Scripted("claude")
    start_bot(roster_of(agent))
    question = sandbox.post(alice, general, f"{sandbox.mention} take your time")
    agent.wait_until_asked()
    assert observability.flush(), "that it runs is stored"
    assert str(home(sandbox, alice)).count("take your time") == 1, "it is not in the latest, too"
    published(sandbox, alice, lambda: sandbox.press(alice, "trace_stop_0", home=True))
    assert "It is being stopped" in str(sandbox.modal(alice))
    finished(observability, general, question.ts)
    own = own_audience(sandbox.team_id, alice.id)
    facts = {"team": sandbox.team_id, "audience": own, "decision": "skip"}
    with observability.span("/trace ls", kind="consumer", **facts):
        assert observability.flush()
        blocks = home(sandbox, alice)
        assert blocks[1]["type"] == "context", blocks[1]


def test_digests_of_the_users_own_channels_are_changed_on_the_home_tab(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    bob, guest = sandbox.add_user("bob"), sandbox.add_user("gus", guest=True)
    board = sandbox.add_channel("board", [bob], private=True)
    for user in (bob, guest):
        sandbox.join(user, general)
    others = sandbox.add_channel("others", [bob])
    for channel in (general, board, others):
        subscription = Subscription(sandbox.team_id, channel.id, "09:00", "UTC", bob.id)
        subscribe(observability.database, subscription)
    start_bot()
    assert "Digests" not in str(home(sandbox, guest))
    shown = str(home(sandbox, alice))
    assert f"<#{general.id}>: each day at 09:00 (UTC)" in shown
    assert board.id not in shown
    assert others.id not in shown, "she may change it, but she is not in it"
    change = partial(sandbox.press, alice, "trace_digest_change_0", home=True)
    published(sandbox, alice, lambda: in_modal(sandbox, alice, change))
    form = inputs("mon", "10:30", "UTC")
    blocks = published(sandbox, alice, lambda: sandbox.submit(alice, form))
    assert "each Monday at 10:30" in str(blocks)
    off = partial(sandbox.press, alice, "trace_digest_off_0", home=True)
    assert "No conversation of yours" in str(published(sandbox, alice, off))
    assert "The digest is off." in str(sandbox.modal(alice))
    assert str(home(sandbox, bob)).count("each day at 09:00") == 2


def test_the_home_tab_asks_slack_once_about_all_channels_with_a_digest(
    sandbox: Sandbox, observability: Observability, start_bot: StartBot, alice: User
) -> None:
    bob = sandbox.add_user("bob")
    places = [sandbox.add_channel(f"team-{number}", [alice, bob]) for number in range(4)]
    for place, user in (
        *((channel, alice) for channel in places),
        (sandbox.open_dm(alice), alice),
        (sandbox.open_dm(bob), bob),
    ):
        subscribe(
            observability.database,
            Subscription(sandbox.team_id, place.id, "09:00", "UTC", user.id),
        )
    start_bot()

    def calls() -> int:
        return sum(len(sandbox.calls(f"conversations.{name}")) for name in ("info", "members"))

    before = calls()
    shown = str(home(sandbox, alice))
    assert shown.count("each day at 09:00") == 5
    assert calls() - before == 1, "Slack does not list direct messages"


def test_alerts_and_budgets_stand_on_the_home_tab_of_those_who_may_know_them(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    bob, guest = sandbox.add_user("bob", admin=True), sandbox.add_user("gus", guest=True)
    board = sandbox.add_channel("board", [bob], private=True)
    start_bot()
    sandbox.command(bob, board, "/trace", "alerts add cost>1 over:1h")
    sandbox.command(alice, general, "/trace", "alerts add error_rate>20% over:1h")
    sandbox.command(bob, board, "/trace", f"budget add 5/day channel:{board.id}")
    sandbox.command(bob, board, "/trace", "budget add 7/day agent:echo")
    shown = str(home(sandbox, alice))
    assert "error_rate&gt;20%" in shown
    assert "$7" in shown
    assert "cost&gt;1" not in shown
    assert "$5" not in shown
    assert "cost&gt;1" in str(home(sandbox, bob))
    seen_by_guest = str(home(sandbox, guest))
    assert "error_rate" not in seen_by_guest.replace("add error_rate&gt;20% agent:claude", "")
    assert "$7" not in seen_by_guest
    said = in_modal(sandbox, alice, lambda: sandbox.press(alice, "trace_snooze_0", home=True))
    assert "is silent for 2h" in said


def test_an_alert_is_acknowledged_and_added_on_the_home_tab(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    bob = sandbox.add_user("bob")
    board = sandbox.add_channel("board", [bob], private=True)
    start_bot()
    sandbox.command(alice, general, "/trace", "alerts add no_data agent:echo over:6h")
    (rule,) = alert_rules(observability.database)
    assert "Acknowledge" not in str(home(sandbox, alice)), "nothing is wrong yet"
    change_state(observability.database, rule.id, partial(replace, level="alert"))
    assert "ls agent:echo since:7h" in str(home(sandbox, alice))
    acknowledge = partial(sandbox.press, alice, "trace_acknowledge_0", home=True)
    blocks = published(sandbox, alice, lambda: in_modal(sandbox, alice, acknowledge))
    assert "acknowledged by @alice" in str(blocks)

    def add(channel: Channel, limit: str) -> None:
        press = partial(sandbox.press, alice, "trace_alert", home=True)
        published(sandbox, alice, lambda: in_modal(sandbox, alice, press))
        published(sandbox, alice, lambda: sandbox.submit(alice, alert_inputs(channel, limit)))

    add(general, "5")
    assert "count&gt;5 over:24h" in str(sandbox.home(alice))
    add(board, "7")
    direct = sandbox.open_dm(alice)
    assert "Only those who are in a conversation" in str(sandbox.messages(direct)[-1].blocks)
    assert {each.channel for each in alert_rules(observability.database)} == {general.id}


def alert_inputs(channel: Channel, limit: str) -> dict[str, dict[str, dict[str, object]]]:
    values: dict[str, dict[str, object]] = {
        "measure": {"selected_option": {"value": "count"}},
        "limit": {"value": limit},
        "over": {"selected_option": {"value": "24h"}},
        "where": {"selected_conversation": channel.id},
    }
    return {name: {name: value} for name, value in values.items()}


def test_a_press_that_opens_no_modal_fails_silently(
    sandbox: Sandbox, start_bot: StartBot, alice: User
) -> None:
    """Such a press has no `response_url`."""
    start_bot()
    home(sandbox, alice)
    sandbox.faults.error("views.open", "expired_trigger_id")
    published(sandbox, alice, lambda: sandbox.press(alice, "trace_run_by_agent", home=True))


def test_the_home_tab_shows_no_traces_to_a_guest(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    guest = sandbox.add_user("guest", guest=True)
    sandbox.join(guest, general)
    question = sandbox.post(guest, general, f"{sandbox.mention} a guests question")
    finished(observability, general, question.ts)
    assert "guests question" not in str(home(sandbox, guest))


def suggested(sandbox: Sandbox, user: User) -> dict[str, str]:
    """Open the messages tab, and return the messages of the prompts by their titles."""
    before = len(sandbox.calls("assistant.threads.setSuggestedPrompts"))
    sandbox.open_home(user, tab="messages")
    eventually(lambda: len(sandbox.calls("assistant.threads.setSuggestedPrompts")) > before)
    prompts = sandbox._slack.prompts[sandbox.open_dm(user).id]
    return {prompt["title"]: prompt["message"] for prompt in prompts}


def test_the_messages_tab_suggests_agents_that_one_may_ask_and_what_was_not_answered(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    bob = sandbox.add_user("bob")
    sandbox.join(bob, general)
    claude, codex, private = Scripted("claude"), Scripted("codex"), Scripted("private")
    roster = roster_of(claude, codex, private)
    rule = AccessRule(people=frozenset({bob.id}))
    roster.agents["private"] = replace(roster.agents["private"], access=rule)
    start_bot(roster)
    usual = {
        "Ask claude": "claude: what can you do?",
        "Ask codex": "codex: what can you do?",
        "Summarise a file": "Summarise the attached file.",
    }
    assert suggested(sandbox, alice) == usual
    assert "Ask private" in suggested(sandbox, bob)
    codex.fail(AgentCrashed("it exited with 1", exit_code=1, stderr=""))
    question = sandbox.post(alice, general, f"{sandbox.mention} codex: why is it slow?")
    ended(sandbox, general, question, "x")
    finished(observability, general, question.ts)
    again = {"Ask again: codex: why is it slow?": "codex: why is it slow?"}
    assert suggested(sandbox, alice) == again | usual
    assert not again.keys() & suggested(sandbox, bob).keys(), "it was not bob's question"
    with pytest.raises(SandboxError):
        sandbox.home(alice)


def test_the_home_tab_suggests_questions_about_what_happened(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    agent = Scripted("claude")
    start_bot(roster_of(agent))
    assert "Questions to ask" not in str(home(sandbox, alice))
    agent.fail(AgentCrashed("it exited with 1", exit_code=1, stderr=""))
    question = sandbox.post(alice, general, f"{sandbox.mention} why is it slow?")
    ended(sandbox, general, question, "x")
    (trace,) = finished(observability, general, question.ts)
    (buttons,) = [block["elements"] for block in home(sandbox, alice) if "question_0" in str(block)]
    commands = {button["text"]["text"]: button["value"] for button in buttons}
    assert commands == {
        "Why did “why is it slow?” fail?": f"show {trace.trace_id}",
        "What failed this week?": "errors --since 7d",
        "What took longest?": "slow --since 7d",
        "How is claude doing?": "stats agent:claude --compare --since 7d",
    }
    said = in_modal(sandbox, alice, lambda: sandbox.press(alice, "trace_run_question_0", home=True))
    assert "it exited with 1" in said


def test_the_home_tab_shows_who_may_ask_which_agent(
    sandbox: Sandbox, start_bot: StartBot, alice: User
) -> None:
    bob, guest = sandbox.add_user("bob"), sandbox.add_user("gus", guest=True)
    start_bot(
        f"""
        [agents.echo]
        provider = "echo"
        [agents.builder]
        provider = "echo"
        mode = "execute"
        access = {{ people = ["{alice.id}"], channels = ["C0123456789", "direct"] }}
        """
    )
    rule = (
        f"of full members only <@{alice.id}>; in <#C0123456789>, direct messages; not where guests "
        "or other organisations can read"
    )
    assert agents(home(sandbox, alice)) == [
        "*echo* (query): full members",
        f"*builder* (execute): {rule}",
    ]
    assert f"*builder* (execute): {rule} (not you)" in str(home(sandbox, bob))
    theirs = str(home(sandbox, guest))
    assert "*builder* (execute): not you, because guests may not ask this agent" in theirs
    assert alice.id not in theirs


def test_a_guest_who_may_ask_is_not_told_who_else_may(
    sandbox: Sandbox, start_bot: StartBot, alice: User
) -> None:
    guest, other = sandbox.add_user("gus", guest=True), sandbox.add_user("gil", guest=True)
    start_bot(
        f"""
        [access]
        guests = ["{guest.id}", "{other.id}"]
        channels = ["C0123456789"]
        [agents.echo]
        provider = "echo"
        [agents.builder]
        provider = "echo"
        access = {{ people = ["{alice.id}", "{guest.id}"] }}
        [agents.private]
        provider = "echo"
        access = {{ people = ["{alice.id}"] }}
        """
    )
    blocks = home(sandbox, guest)
    assert agents(blocks)[:2] == ["*echo* (query): you", "*builder* (query): you"]
    assert agents(blocks)[2].startswith("*private* (query): not you, because")
    for hidden in (alice.id, other.id, "C0123456789"):
        assert hidden not in str(blocks)
