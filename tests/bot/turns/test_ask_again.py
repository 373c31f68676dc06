"""A failed turn: it says what the program said, and is tried again by a button, once."""

import json
import sys
import threading
from functools import partial
from pathlib import Path

import pytest
from slack_sdk import WebClient

from bot.agents.config.roster import Roster
from bot.sandbox import Channel, Message, Sandbox, User
from bot.slack.types import AskedAgain, IncomingMessage
from bot.turns.accepted import accepted_message, current_message
from bot.turns.decision import BotIdentity, Decision, Reason, settled
from storage import Observability
from storage.queries.traces import trace_spans
from tests.support.conversations import StartBot, ended, finished
from tests.support.fake_agent import Scripted, crashed, roster_of
from tests.support.traces_in_slack import in_modal, shown

PROGRAM = r"""
import pathlib, sys
sys.stdin.read()
flag = pathlib.Path(sys.argv[1])
if flag.exists():
    print("It works now.")
else:
    flag.touch()
    sys.stderr.buffer.write(b"Traceback\nmodule not found\n" + eval(sys.argv[2]) + b"\n\x1b[0m\n\n")
    sys.exit(3)
"""


def agents(folder: Path, words: bytes = b"no such model: gpt-9") -> str:
    """Return an agents file whose program fails the first time that it is asked."""
    (folder / "program.py").write_text(PROGRAM)
    (folder / "work").mkdir()
    command = [sys.executable, str(folder / "program.py"), "flag", repr(words)]
    return (
        f"[agents.flaky]\nprovider = 'command'\ncommand = {json.dumps(command)}\n"
        "working_directory = 'work'\n"
    )


def failed(sandbox: Sandbox, user: User, channel: Channel, text: str = "go") -> Message:
    """Ask, and return the reply of the failed turn."""
    question = sandbox.post(user, channel, f"{sandbox.mention} {text}")
    (reply,) = ended(sandbox, channel, question, "x")
    return reply


def replies(sandbox: Sandbox, reply: Message) -> list[Message]:
    return sandbox.thread(reply.channel, str(reply.thread_ts))[1:]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (b"no such model: gpt-9", "no such model: gpt-9"),
        (b"\x1b[31merror:\x1b[0m \x07<!channel> & co", "error: &lt;!channel&gt; &amp; co"),
        (b"key xoxb-123456789012-1234567890123-abcdefghijklmnopqrstuvwx", "[redacted"),
        (b"x" * 5_000, "x" * 300 + "…"),
        (b"\xff\xfe not text", "not text"),
    ],
)
def test_a_failed_reply_says_what_the_program_said_last(
    words: bytes,
    told: str,
    start_bot: StartBot,
    sandbox: Sandbox,
    alice: User,
    general: Channel,
    tmp_path: Path,
) -> None:
    start_bot(agents(tmp_path, words))
    reply = failed(sandbox, alice, general)
    assert "It said `" in reply.text
    assert told in shown([reply])
    assert "module not found" not in shown([reply])
    assert "xoxb-1" not in str(reply)
    assert "\x1b" not in str(reply) and "\x07" not in str(reply)
    assert sandbox.pings(reply) == set()


def test_the_bots_own_token_in_a_programs_last_line_is_not_told(
    start_bot: StartBot, sandbox: Sandbox, alice: User, general: Channel, tmp_path: Path
) -> None:
    start_bot(agents(tmp_path, f"bad {sandbox.signing_secret} here".encode()))
    reply = failed(sandbox, alice, general)
    assert "bad" in reply.text and "here" in reply.text
    assert sandbox.signing_secret not in str(reply)


def test_the_trace_of_a_failed_turn_is_shown_by_its_button_to_those_who_may_see_it(
    start_bot: StartBot, sandbox: Sandbox, alice: User, general: Channel, tmp_path: Path
) -> None:
    guest = sandbox.add_user("gus", guest=True)
    sandbox.join(guest, general)
    start_bot(agents(tmp_path))
    reply = failed(sandbox, alice, general)
    for user, may_see in ((alice, True), (guest, False)):
        told = in_modal(sandbox, user, partial(sandbox.click, user, reply, "trace_show"))
        assert ("attempt command" in told) == may_see


def test_try_again_asks_the_same_agent_and_links_the_first_trace(
    start_bot: StartBot,
    sandbox: Sandbox,
    alice: User,
    general: Channel,
    observability: Observability,
    tmp_path: Path,
) -> None:
    start_bot(agents(tmp_path))
    reply = failed(sandbox, alice, general)
    sandbox.click(alice, reply, "turn_try_again")
    question, _, answer = _until_answered(sandbox, reply)
    assert answer.text == "It works now."
    assert set(sandbox.reactions(general, question.ts)) == {"white_check_mark"}
    first, again = sorted(
        finished(observability, general, question.ts, count=2), key=lambda each: each.started_at
    )
    (link,) = trace_spans(observability.database, again.trace_id)[0].links
    assert link["trace_id"] == first.trace_id
    assert (first.status, again.status, again.user) == ("error", "ok", alice.id)


def _until_answered(sandbox: Sandbox, reply: Message) -> list[Message]:
    thread = str(reply.thread_ts)
    sandbox.wait_for_reaction(reply.channel, thread, "white_check_mark", timeout=30.0)
    return sandbox.thread(reply.channel, thread)


def test_another_agent_is_chosen_from_a_menu(
    start_bot: StartBot, sandbox: Sandbox, alice: User, general: Channel
) -> None:
    one, two = Scripted("one"), Scripted("two")
    start_bot(roster_of(one, two))
    one.fail(crashed())
    reply = failed(sandbox, alice, general, "who are you?")
    menu = next(
        each
        for block in reply.blocks
        for each in block.get("elements", ())
        if each.get("action_id") == "turn_try_another"
    )
    assert [option["text"]["text"] for option in menu["options"]] == ["two"]
    sandbox.click(alice, reply, "turn_try_another", value=menu["options"][0]["value"])
    two.end("I am two.")
    assert _until_answered(sandbox, reply)[-1].text == "I am two."
    assert two.requests[0].prompt == "who are you?"


def test_a_question_is_asked_again_once_however_often_and_by_whomever_it_is_clicked(
    start_bot: StartBot, sandbox: Sandbox, alice: User, general: Channel
) -> None:
    bob = sandbox.add_user("bob")
    sandbox.join(bob, general)
    agent = Scripted()
    start_bot(roster_of(agent))
    agent.fail(crashed())
    reply = failed(sandbox, alice, general)
    clicks = [
        threading.Thread(target=sandbox.click, args=(user, reply, "turn_try_again"))
        for user in (alice, bob, alice)
    ]
    for click in clicks:
        click.start()
    for click in clicks:
        click.join()
    agent.wait_until_asked()
    agent.wait_until_asked()
    (told,) = sandbox.click(bob, reply, "turn_try_again", responses=1, timeout=20.0)
    assert "already" in told.text
    assert told.ephemeral_to == bob.id
    agent.end("once")
    _until_answered(sandbox, reply)
    assert len(agent.requests) == 2
    assert [each.text for each in replies(sandbox, reply)[1:]] == ["once"]


def test_a_turn_that_fails_again_can_be_tried_again(
    start_bot: StartBot, sandbox: Sandbox, alice: User, general: Channel
) -> None:
    agent = Scripted()
    start_bot(roster_of(agent))
    agent.fail(crashed())
    reply = failed(sandbox, alice, general)
    agent.fail(crashed())
    sandbox.click(alice, reply, "turn_try_again")
    sandbox.wait_until(lambda: len(sandbox.thread(general, str(reply.thread_ts))) == 3, 20.0)
    sandbox.click(alice, replies(sandbox, reply)[-1], "turn_try_again")
    agent.end("at last")
    assert _until_answered(sandbox, reply)[-1].text == "at last"


def test_a_question_that_is_asked_again_shows_only_how_that_ended(
    start_bot: StartBot, sandbox: Sandbox, web: WebClient, alice: User, general: Channel
) -> None:
    agent = Scripted()
    start_bot(roster_of(agent))
    agent.fail(crashed())
    reply = failed(sandbox, alice, general)
    asked = str(reply.thread_ts)
    # As by a restart that stopped its turn, and by another trace in which it was asked again.
    for name in ("octagonal_sign", "white_check_mark"):
        web.reactions_add(channel=general.id, timestamp=asked, name=name)
    sandbox.click(alice, reply, "turn_try_again")
    agent.wait_until_asked()
    agent.wait_until_asked()
    sandbox.wait_until(lambda: set(sandbox.reactions(general, asked)) == {"eyes"})
    agent.fail(crashed())
    sandbox.wait_until(lambda: set(sandbox.reactions(general, asked)) == {"x"})


def test_a_question_that_is_asked_again_before_its_turn_has_ended_shows_how_the_last_one_ended(
    start_bot: StartBot, sandbox: Sandbox, alice: User, general: Channel
) -> None:
    one, two = Scripted("one"), Scripted("two")
    start_bot(roster_of(one, two))
    question = sandbox.post(alice, general, f"{sandbox.mention} @one @two race")
    two.wait_until_asked()
    one.fail(crashed())
    reply = sandbox.wait_for_reply(general, question.ts, containing="one could not answer")
    sandbox.click(alice, reply, "turn_try_again")
    sandbox.wait_for_reaction(general, question.ts, "hourglass_flowing_sand")
    two.end("second")
    one.wait_until_asked()
    one.wait_until_asked()
    sandbox.wait_until(lambda: set(sandbox.reactions(general, question.ts)) == {"eyes"})
    one.end("first")
    sandbox.wait_until(lambda: set(sandbox.reactions(general, question.ts)) == {"white_check_mark"})


def test_only_those_who_may_ask_the_agent_ask_it_again(
    start_bot: StartBot, sandbox: Sandbox, alice: User, general: Channel
) -> None:
    guest = sandbox.add_user("gus", guest=True)
    sandbox.join(guest, general)
    agent = Scripted()
    start_bot(roster_of(agent))
    agent.fail(crashed())
    reply = failed(sandbox, alice, general)
    (told,) = sandbox.click(guest, reply, "turn_try_again", responses=1, timeout=20.0)
    assert "guests of this workspace may not ask scripted" in told.text
    sandbox.click(alice, reply, "turn_try_again")  # The guest's click has not used it up.
    agent.end("whole")
    assert _until_answered(sandbox, reply)[-1].text == "whole"


def test_the_question_of_somebody_else_is_asked_again_without_storing_it_twice(
    start_bot: StartBot,
    sandbox: Sandbox,
    alice: User,
    general: Channel,
    observability: Observability,
) -> None:
    bob = sandbox.add_user("bob")
    sandbox.join(bob, general)
    agent = Scripted()
    start_bot(roster_of(agent))
    agent.fail(crashed())
    reply = failed(sandbox, alice, general, "what is our plan?")
    sandbox.click(bob, reply, "turn_try_again")
    agent.end("whole")
    _until_answered(sandbox, reply)
    traces = finished(observability, general, str(reply.thread_ts), count=2)
    assert {trace.user: trace.text for trace in traces} == {
        alice.id: "what is our plan?",
        bob.id: "(asked again)",
    }


def test_a_deleted_question_is_not_asked_again(
    start_bot: StartBot, sandbox: Sandbox, alice: User, general: Channel
) -> None:
    agent = Scripted()
    start_bot(roster_of(agent))
    agent.fail(crashed())
    reply = failed(sandbox, alice, general)
    sandbox.delete(alice, sandbox.thread(general, str(reply.thread_ts))[0])
    (told,) = sandbox.click(alice, reply, "turn_try_again", responses=1, timeout=20.0)
    assert "was deleted" in told.text
    assert len(agent.requests) == 1


def test_an_agent_that_left_the_agents_file_is_not_asked_again(
    start_bot: StartBot, sandbox: Sandbox, alice: User, general: Channel
) -> None:
    one, two = Scripted("one"), Scripted("two")
    files = [roster_of(one, two), roster_of(two)]
    roster = Roster(lambda: files[0]._contents)
    start_bot(roster)
    one.fail(crashed())
    reply = failed(sandbox, alice, general)
    thread = str(reply.thread_ts)
    busy = sandbox.post(alice, general, f"{sandbox.mention} @two go", thread_ts=thread)
    two.wait_until_asked()
    sandbox.click(alice, reply, "turn_try_again")
    sandbox.wait_for_reaction(general, thread, "hourglass_flowing_sand")
    del files[0]
    assert roster.reload()
    two.end("done")
    sandbox.wait_for_reaction(general, busy.ts, "white_check_mark")
    sandbox.wait_until(lambda: bool(sandbox.ephemerals(alice, general)), 20.0)
    (told,) = sandbox.ephemerals(alice, general)
    assert "there is no agent one any more. Please ask another one in a message." in told.text
    (told,) = sandbox.click(alice, reply, "turn_try_again", responses=1, timeout=20.0)
    assert "there is no agent one any more" in told.text
    assert len(one.requests) == 1


def test_each_try_again_for_an_agent_that_left_the_agents_file_is_answered(
    start_bot: StartBot, sandbox: Sandbox, alice: User, general: Channel
) -> None:
    one, two, other = Scripted("one"), Scripted("two"), Scripted("other")
    files = [roster_of(one, two, other), roster_of(other)]
    roster = Roster(lambda: files[0]._contents)
    start_bot(roster)
    for gone in (one, two):
        gone.fail(crashed())
        reply = failed(sandbox, alice, general, f"@{gone.name} go")
        thread = str(reply.thread_ts)
        sandbox.post(alice, general, f"{sandbox.mention} @other go", thread_ts=thread)
        other.wait_until_asked()
        sandbox.click(alice, reply, "turn_try_again")
        sandbox.wait_for_reaction(general, thread, "hourglass_flowing_sand")
    del files[0]
    assert roster.reload()
    for _ in range(2):
        other.end("done")
    sandbox.wait_until(lambda: len(sandbox.ephemerals(alice, general)) == 2, 20.0)
    told = {message.text for message in sandbox.ephemerals(alice, general)}
    assert {text.split(":")[0].split()[-1] for text in told} == {"one", "two"}
    assert not any("once a day" in text for text in told)


def test_a_follow_up_is_asked_again_with_its_thread(
    start_bot: StartBot, sandbox: Sandbox, alice: User, general: Channel
) -> None:
    agent = Scripted()
    start_bot(roster_of(agent))
    root = sandbox.post(alice, general, "The word is zebra.")
    question = sandbox.post(alice, general, f"{sandbox.mention} which?", thread_ts=root.ts)
    agent.fail(crashed())
    sandbox.wait_for_reaction(general, question.ts, "x")
    sandbox.click(alice, sandbox.thread(general, root.ts)[-1], "turn_try_again")
    agent.end("zebra")
    sandbox.wait_for_reaction(general, question.ts, "white_check_mark")
    again = agent.requests[1]
    assert again.prompt == "which?"
    assert ["zebra" in each.text for each in again.history] == [True]


def test_a_workflows_question_that_is_asked_again_is_still_one_when_it_is_read_anew(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel
) -> None:
    workflow = sandbox.add_bot("Daily report", legacy=True)
    sandbox.join(workflow, general)
    posted = sandbox.post(workflow, general, f"{sandbox.mention} write it")
    identity = BotIdentity(user=sandbox.bot_user_id, bot_id=sandbox.bot_id)
    asked = IncomingMessage(
        team=sandbox.team_id,
        channel=general.id,
        channel_type="channel",
        ts=posted.ts,
        thread_ts=None,
        user=alice.id,
        text=posted.text,
        asked_again=AskedAgain(agent="scripted", trace_id="1" * 32, author=""),
    )
    row = accepted_message(asked, identity, trace_id="2" * 32, position="1.0")
    assert row is not None
    # As after an edit while it waited, or by another process.
    again = current_message(web, identity, row)
    assert again is not None
    decision = settled(again, identity, other_bots=frozenset())
    assert decision == Decision(True, Reason.ASKED_AGAIN)
