"""Posts through a user token, mentions by workflows, and mentions that an edit added."""

from typing import Any

import pytest

from bot.sandbox import Channel, Message, Sandbox, User
from storage import Observability
from storage.queries.statistics import statistics
from storage.queries.traces import TraceSummary
from tests.support.conversations import StartBot, eventually, finished
from tests.support.traces_in_slack import ask

ECHO = '[agents.echo]\nprovider = "echo"\n'


def trace_of(
    observability: Observability, channel: Channel, message: Message, *, count: int = 1
) -> TraceSummary:
    """Return the newest trace of a message once *count* traces of its thread have ended."""
    traces = finished(observability, channel, message.thread_ts or message.ts, count=count)
    return [trace for trace in traces if trace.message_ts == message.ts][-1]


def test_what_an_app_posts_with_a_persons_token_is_the_persons(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    calendar = sandbox.add_bot("calendar")
    question = sandbox.post(alice, general, f"{sandbox.mention} hello", through=calendar)
    sandbox.wait_for_reply(general, question.ts, containing="hello")
    sandbox.wait_for_reaction(general, question.ts, "white_check_mark")
    trace = trace_of(observability, general, question)
    assert (trace.user, trace.reason) == (alice.id, "mentioned")
    sandbox.post(alice, general, "and now?", thread_ts=question.ts, through=calendar)
    sandbox.wait_for_reply(general, question.ts, containing="and now?")


def test_a_guests_token_makes_nobody_a_member(
    sandbox: Sandbox, observability: Observability, start_bot: StartBot, general: Channel
) -> None:
    start_bot()
    guest, calendar = sandbox.add_user("gus", guest=True), sandbox.add_bot("calendar")
    sandbox.join(guest, general)
    question = sandbox.post(guest, general, f"{sandbox.mention} hello", through=calendar)
    assert trace_of(observability, general, question).reason == "guest_may_not_ask"


def test_a_bot_user_is_not_a_person(
    sandbox: Sandbox, observability: Observability, start_bot: StartBot, general: Channel
) -> None:
    start_bot()
    ci = sandbox.add_bot("ci")
    sandbox.join(ci, general)
    posted = sandbox.post(ci, general, f"{sandbox.mention} build failed")
    trace = trace_of(observability, general, posted)
    assert (trace.decision, trace.reason) == ("skip", "bot_message")


def test_a_workflow_that_may_not_ask_has_a_reason_of_its_own(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    workflow = sandbox.add_bot("Daily report", legacy=True)
    sandbox.join(workflow, general)
    posted = sandbox.post(workflow, general, f"{sandbox.mention} write it")
    trace = trace_of(observability, general, posted)
    assert (trace.decision, trace.reason) == ("skip", "workflow_may_not_ask")
    assert "workflows may not ask this agent" in ask(sandbox, alice, general, "ls --all")
    found = statistics(observability.database, since=0, until=2**62, by="decision", audiences=None)
    assert [group.key for group in found.groups] == ["workflow_may_not_ask"]
    assert sandbox.messages(general) == [posted]
    sandbox.post(workflow, general, "no mention at all")


@pytest.mark.parametrize(
    ("access", "reason"),
    [
        ("workflows = true", "mentioned"),
        ('workflows = ["{bot_id}"]', "mentioned"),
        ('workflows = ["B0OTHER"]', "workflow_may_not_ask"),
        ('workflows = true\npeople = ["U0BOSS"]', "person_not_allowed"),
        ('workflows = ["{bot_id}"]\npeople = ["U0BOSS"]', "mentioned"),
        ('workflows = true\nchannels = ["C0OTHER"]', "channel_not_allowed"),
    ],
)
def test_an_agent_says_which_workflows_may_ask_it(
    access: str,
    reason: str,
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    general: Channel,
) -> None:
    workflow = sandbox.add_bot("Daily report", legacy=True)
    sandbox.join(workflow, general)
    start_bot(f"{ECHO}[agents.echo.access]\n{access.format(bot_id=workflow.bot_id)}")
    posted = sandbox.post(workflow, general, f"{sandbox.mention} write it")
    trace = trace_of(observability, general, posted)
    assert trace.reason == reason
    replies = [message.text for message in sandbox.thread(general, posted.ts)[1:]]
    assert replies == (["You said: write it"] if reason == "mentioned" else [])


def rich_text(*elements: dict[str, Any]) -> dict[str, Any]:
    section = {"type": "rich_text_section", "elements": list(elements)}
    return {"type": "rich_text", "elements": [section]}


@pytest.mark.parametrize("where", ["blocks", "attachments"])
def test_a_workflow_may_mention_the_bot_in_blocks_alone(
    where: str,
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    general: Channel,
) -> None:
    workflow = sandbox.add_bot("Alerts", legacy=True)
    sandbox.join(workflow, general)
    start_bot(f"{ECHO}[agents.echo.access]\nworkflows = true")
    said = {"type": "mrkdwn", "text": f"CPU high, {sandbox.mention} please look"}
    blocks = [{"type": "section", "text": said}]
    posted = sandbox.post(
        workflow, general, **{where: blocks if where == "blocks" else [{"blocks": blocks}]}
    )
    assert trace_of(observability, general, posted).reason == "mentioned"
    sandbox.wait_for_reply(general, posted.ts, containing="CPU high")


def test_a_mention_that_comes_after_its_empty_message_is_answered(
    sandbox: Sandbox, observability: Observability, start_bot: StartBot, general: Channel
) -> None:
    workflow = sandbox.add_bot("Alerts", legacy=True)
    sandbox.join(workflow, general)
    start_bot(f"{ECHO}[agents.echo.access]\nworkflows = true")
    posted = sandbox.post(workflow, general)
    assert trace_of(observability, general, posted).reason == "bot_message"
    (told,) = sandbox.events("message")
    blocks = [rich_text({"type": "user", "user_id": sandbox.bot_user_id}, text(" it broke"))]
    mention = {**told["event"], "type": "app_mention", "blocks": blocks}
    sandbox.redeliver({**told, "event_id": "Ev0MENTION", "event": mention})
    sandbox.wait_for_reply(general, posted.ts, containing="it broke")
    sandbox.redeliver({**told, "event_id": "Ev0LATE"})
    sandbox.settle()
    reasons = [each.reason for each in finished(observability, general, posted.ts, count=2)]
    assert sorted(filter(None, reasons)) == ["bot_message", "mentioned"]


def test_what_an_app_posts_for_a_person_may_be_in_blocks_alone(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    blocks = [{"type": "markdown", "text": f"{sandbox.mention} write the *report*"}]
    question = sandbox.post(alice, general, blocks=blocks, through=sandbox.add_bot("planner"))
    sandbox.wait_for_reply(general, question.ts, containing="write the report")
    dm = sandbox.open_dm(alice)
    direct = sandbox.post(alice, dm, blocks=[rich_text(text("and in blocks"))])
    sandbox.wait_for_reply(dm, direct.ts, containing="and in blocks")
    assert trace_of(observability, general, question).reason == "mentioned"
    (trace,) = finished(observability, dm, direct.ts)
    assert trace.text == "and in blocks"


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


def test_a_workflow_without_a_mention_is_another_bot(
    sandbox: Sandbox, observability: Observability, start_bot: StartBot, general: Channel
) -> None:
    workflow = sandbox.add_bot("Daily report", legacy=True)
    sandbox.join(workflow, general)
    start_bot(f"{ECHO}[agents.echo.access]\nworkflows = true")
    posted = sandbox.post(workflow, general, "the report")
    assert trace_of(observability, general, posted).reason == "bot_message"


def test_two_bots_do_not_answer_one_another_for_ever(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    workflow = sandbox.add_bot("Loop", legacy=True)
    sandbox.join(workflow, general)
    start_bot(f"{ECHO}[agents.echo.access]\nworkflows = true")

    def ping(user: User, text: str, *, count: int) -> str | None:
        posted = sandbox.post(user, general, f"{sandbox.mention} {text}", thread_ts=root.ts)
        return trace_of(observability, general, posted, count=count).reason

    root = sandbox.post(workflow, general, f"{sandbox.mention} ping")
    finished(observability, general, root.ts)
    reasons = [ping(workflow, f"ping {n}", count=n) for n in range(2, 8)]
    assert reasons == ["mentioned"] * 4 + ["only_bots_talk"] * 2
    assert ping(alice, "stop it", count=8) == "mentioned"
    assert ping(workflow, "ping", count=9) == "mentioned"


def test_a_mention_that_an_edit_adds_is_left_with_its_reason(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    message = sandbox.post(alice, general, "what is new?")
    finished(observability, general, message.ts)
    sandbox.edit(alice, message, f"{sandbox.mention} what is new?")
    trace = trace_of(observability, general, message, count=2)
    assert (trace.decision, trace.reason) == ("skip", "mention_by_edit")
    assert "the mention was added by an edit" in ask(sandbox, alice, general, "ls --all")


def test_a_setting_lets_a_mention_that_an_edit_adds_be_answered_once(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot(answer_edits=True)
    message = sandbox.post(alice, general, "what is new?")
    finished(observability, general, message.ts)
    sandbox.edit(alice, message, f"{sandbox.mention} what is new?")
    sandbox.wait_for_reply(general, message.ts, containing="what is new?")
    sandbox.wait_for_reaction(general, message.ts, "white_check_mark")
    trace = trace_of(observability, general, message, count=2)
    assert (trace.decision, trace.text) == ("answer", "what is new?")
    sandbox.edit(alice, message, "what is new?")
    sandbox.edit(alice, message, f"{sandbox.mention} what is new there?")
    sandbox.settle()
    following = sandbox.post(alice, general, f"{sandbox.mention} next", thread_ts=message.ts)
    sandbox.wait_for_reaction(general, following.ts, "white_check_mark")
    assert len(sandbox.thread(general, message.ts)) == 4


@pytest.mark.parametrize("answer_edits", [False, True])
def test_an_edit_of_a_question_asks_nothing(
    answer_edits: bool,
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot(answer_edits=answer_edits)
    question = sandbox.post(alice, general, f"{sandbox.mention} hello")
    sandbox.wait_for_reaction(general, question.ts, "white_check_mark")
    follow_up = sandbox.post(alice, general, "and then?", thread_ts=question.ts)
    sandbox.wait_for_reaction(general, follow_up.ts, "white_check_mark")
    finished(observability, general, question.ts, count=2)
    sandbox.edit(alice, question, f"{sandbox.mention} hello there")
    sandbox.edit(alice, follow_up, f"{sandbox.mention} and then?")
    changed = lambda: "hello there" in str(finished(observability, general, question.ts))  # noqa: E731
    eventually(changed)
    sandbox.settle()
    assert len(finished(observability, general, question.ts, count=2)) == 2
    assert len(sandbox.thread(general, question.ts)) == 4
