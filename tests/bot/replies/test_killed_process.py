"""What a process leaves in Slack when it is killed is ended by the next one."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from slack_sdk import WebClient

from bot.agents.types import ToolUse
from bot.replies import delivery, repair
from bot.replies.live_messages import STREAM_LIMIT
from bot.replies.timeline import cards, shown, size, task_chunks
from bot.sandbox import Channel, Message, Sandbox, User
from storage import Observability
from storage.coordination.leases import acquire_lease
from storage.coordination.unfinished_replies import NOBODY, TURN, put_reply
from tests.support.conversations import StartBot, ended, eventually
from tests.support.fake_agent import Scripted, roster_of
from tests.support.replies import all_ended, is_at_work, left_replies, tick, unfinished_reply

TRACEBOT = Path(sys.executable).parent / "tracebot"


@pytest.fixture(autouse=True)
def short_waits(quick_replies: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "LONGEST_WAIT_S", 0.1)


SLEEPER = """\
import pathlib, sys, time
sys.stdin.read()
print("The first half", flush=True)
time.sleep(60)
"""


LONG = """\
import time
print("first " * 1_000, flush=True)
time.sleep(2.5)
print("\\n" + "middle " * 1_000 + "\\n\\n" + "last")
"""
"""An answer of two parts. It is shown while it grows, so that only its second part is posted."""


Doomed = Callable[..., AbstractContextManager[None]]


@pytest.fixture
def doomed(sandbox: Sandbox, db_path: Path, tmp_path: Path) -> Doomed:
    """Return a block in which the bot runs in a process that is killed at the end of the block."""

    @contextmanager
    def block(program: str = SLEEPER) -> Iterator[None]:
        process = serve(sandbox, db_path, tmp_path, program)
        try:
            sandbox.wait_for_app(timeout=60)
            yield
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        sandbox.faults.clear()  # The process may have been killed before it posted.
        sandbox.wait_until(lambda: not sandbox._slack.sockets.connections)

    return block


def serve(sandbox: Sandbox, db_path: Path, folder: Path, program: str) -> "subprocess.Popen[bytes]":
    """Start the bot in a process of its own, with *program* as its agent."""
    (folder / "program.py").write_text(program)
    command = [sys.executable, str(folder / "program.py")]
    agents = folder / "killed.toml"
    agents.write_text(f"[agents.slow]\nprovider = 'command'\ncommand = {command}\n")
    environment = {
        **os.environ,
        "SLACK_BOT_TOKEN": sandbox.bot_token,
        "SLACK_APP_TOKEN": sandbox.app_token,
        "SLACK_API_URL": sandbox.api_url,
        "TRACEBOT_DATABASE_URL": str(db_path),
        "TRACEBOT_AGENTS": str(agents),
        "TRACEBOT_OTLP_PORT": "0",
    }
    return subprocess.Popen(
        [TRACEBOT, "serve"], cwd=folder, env=environment, stderr=subprocess.DEVNULL
    )


def test_a_reply_of_a_killed_process_says_so_and_keeps_what_was_said(
    doomed: Doomed,
    start_bot: StartBot,
    sandbox: Sandbox,
    alice: User,
    general: Channel,
    observability: Observability,
) -> None:
    with doomed():
        question = sandbox.post(alice, general, f"{sandbox.mention} think hard")
        sandbox.wait_for_reply(general, question.ts, containing="The first half", timeout=60)
        eventually(lambda: any(row.ts for row in left_replies(observability)))
    tick(start_bot())
    (reply,) = ended(sandbox, general, question, "octagonal_sign")
    assert not is_at_work(reply)
    assert "I was restarted" in reply.text
    assert [block["type"] for block in reply.blocks] == ["markdown", "context", "actions"]
    assert set(sandbox.reactions(general, question.ts)) == {"octagonal_sign"}


def test_the_rest_of_a_long_answer_of_a_killed_process_is_posted(
    doomed: Doomed,
    start_bot: StartBot,
    sandbox: Sandbox,
    alice: User,
    general: Channel,
    observability: Observability,
) -> None:
    with doomed(LONG):
        never = sandbox.faults.hold("chat.postMessage")
        question = sandbox.post(alice, general, f"{sandbox.mention} tell me all")
        eventually(lambda: any("last" in (row.ending or "") for row in left_replies(observability)))
    # A slow machine may have shown the growing part twice.
    assert not any("last" in shown.text for shown in sandbox.thread(general, question.ts)[1:])
    tick(start_bot())
    parts = ended(sandbox, general, question, "white_check_mark")
    assert [part.text.split()[0] for part in parts] == ["first", "middle"]
    assert parts[-1].blocks[0]["text"].endswith("last")
    never.set()


def test_the_answer_of_a_process_that_is_killed_while_it_posts_is_posted_once(
    doomed: Doomed,
    start_bot: StartBot,
    sandbox: Sandbox,
    alice: User,
    general: Channel,
    observability: Observability,
) -> None:
    with doomed("print('It is blue.')"):
        # A slow machine streams it.
        never = sandbox.faults.hold("chat.postMessage", "chat.stopStream")
        question = sandbox.post(alice, general, f"{sandbox.mention} what colour?")
        eventually(lambda: any("blue" in (row.ending or "") for row in left_replies(observability)))
    assert not any(each.metadata for each in sandbox.thread(general, question.ts)[1:])
    tick(start_bot())
    (answer,) = ended(sandbox, general, question, "white_check_mark")
    assert answer.text == "It is blue."
    never.set()


def test_who_waited_for_a_turn_of_a_killed_process_is_answered_by_the_next(
    doomed: Doomed,
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    alice: User,
    general: Channel,
    observability: Observability,
) -> None:
    with doomed():
        question = sandbox.post(alice, general, f"{sandbox.mention} think hard")
        sandbox.wait_for_reply(general, question.ts, containing="The first half", timeout=60)
        thread = question.ts
        second = sandbox.post(alice, general, f"{sandbox.mention} and then?", thread_ts=thread)
        third = sandbox.post(alice, general, "and last?", thread_ts=thread)
        for waiting in (second, third):
            sandbox.wait_for_reaction(general, waiting.ts, "hourglass_flowing_sand", timeout=60)
    bot = start_bot(roster_of(agent))
    tick(bot)
    for answer in ("second", "third"):
        agent.end(answer)
    for asked in (second, third):
        sandbox.wait_for_reaction(general, asked.ts, "white_check_mark")
    assert [request.prompt for request in agent.requests] == ["and then?", "and last?"]
    told = [m.text for m in sandbox.thread(general, thread) if m.user == sandbox.bot_user_id]
    assert "I was restarted" in told[0]
    assert told[1:] == ["second", "third"]
    assert set(sandbox.reactions(general, question.ts)) == {"octagonal_sign"}
    for asked in (second, third):
        assert set(sandbox.reactions(general, asked.ts)) == {"white_check_mark"}
    eventually(lambda: all_ended(observability, bot))


def turn_of_a_dead_process(observability: Observability, question: Message) -> None:
    """Store what is left of a message that ended each process that began it."""
    reply = unfinished_reply(question, agent=TURN)
    put_reply(observability.database, reply, process=NOBODY)


def test_who_was_left_alone_is_not_told_to_ask_again_when_the_process_dies_at_once(
    start_bot: StartBot, sandbox: Sandbox, alice: User, observability: Observability
) -> None:
    bot = start_bot()
    board = sandbox.add_channel("board", [alice], with_bot=False)
    question = sandbox.post(alice, board, f"{sandbox.mention} think hard")
    sandbox.join(sandbox.bot_user_id, board)
    place = {"team": "T0SANDBOX1", "channel": board.id, "message_ts": question.ts}
    decided = {"decision": "skip", "reason": "stranger_may_not_ask", "platform": "slack"}
    with observability.span("slack message", **place, **decided) as span:
        pass
    reply = replace(unfinished_reply(question, agent=TURN), trace_id=span.trace_id)
    put_reply(observability.database, reply, process=NOBODY)
    tick(bot)
    eventually(lambda: all(row.ending == "[]" for row in left_replies(observability)))
    assert sandbox.thread(board, question.ts)[1:] == []
    assert sandbox.reactions(board, question.ts) == {}


def test_a_reply_that_a_process_was_ending_when_it_was_killed_is_ended_by_the_next(
    start_bot: StartBot, sandbox: Sandbox, alice: User, observability: Observability
) -> None:
    bot = start_bot()
    board = sandbox.add_channel("board", [alice], with_bot=False)
    question = sandbox.post(alice, board, f"{sandbox.mention} think hard")
    sandbox.join(sandbox.bot_user_id, board)
    turn_of_a_dead_process(observability, question)
    ended_process = subprocess.Popen([sys.executable, "-c", ""])
    ended_process.wait()
    owner = f"{socket.gethostname()}:{ended_process.pid}:1"
    key, now = "unfinished:1:", time.time_ns()
    acquire_lease(observability.database, key, owner=owner, now=now, lease_ns=repair.LEASE_NS)
    tick(bot)
    (note,) = ended(sandbox, board, question, "octagonal_sign")
    assert "ask again" in note.text


FORMATTED = """\
# Findings

The pool is **too small** for `checkout`.

| pod | state |
| --- | --- |
| a | ok |

---

- **Step 1**: look at `checkout-7f9c`.
- **Step 2**: restart it.
"""


@pytest.mark.parametrize("is_streamed", [True, False])
def test_a_reply_of_a_killed_process_keeps_the_form_of_what_was_said(
    is_streamed: bool,
    doomed: Doomed,
    start_bot: StartBot,
    sandbox: Sandbox,
    alice: User,
    general: Channel,
    observability: Observability,
) -> None:
    if not is_streamed:
        sandbox.faults.error("chat.startStream", "not_allowed", times=100)
    with doomed(SLEEPER.replace('"The first half"', repr(FORMATTED + "\nNext"))):
        question = sandbox.post(alice, general, f"{sandbox.mention} think hard")
        sandbox.wait_for_reply(general, question.ts, containing="Step 2", timeout=60)
        eventually(lambda: any(row.ts for row in left_replies(observability)))
    calls = len(sandbox.calls())
    tick(start_bot())
    (reply,) = ended(sandbox, general, question, "octagonal_sign")
    assert reply.blocks[0]["text"].removesuffix("\n\nNext") == FORMATTED.strip()
    assert [block["type"] for block in reply.blocks] == ["markdown", "context", "actions"]
    assert "I was restarted" in reply.text
    # Slack does not promise to show the words of a stream that is open.
    made = [call.method for call in sandbox.calls()[calls:]]
    assert "conversations.replies" in made[made.index("chat.stopStream") :]


@pytest.mark.parametrize(
    ("shown", "begins"),
    [
        ("".join(f"Step {number} is done.\n\n" for number in range(430)), "Step 0 is done."),
        ("".join(f"# Step {number}\n\nDone.\n\n" for number in range(60)), "…\n\n# Step 4"),
    ],
)
def test_a_reply_of_a_killed_process_keeps_as_much_as_one_message_takes(
    shown: str,
    begins: str,
    doomed: Doomed,
    start_bot: StartBot,
    sandbox: Sandbox,
    alice: User,
    general: Channel,
    observability: Observability,
) -> None:
    *_, last = re.findall(r"Step \d+", shown)
    with doomed(SLEEPER.replace('"The first half"', repr(f"{shown}Next"))):
        question = sandbox.post(alice, general, f"{sandbox.mention} think hard")
        sandbox.wait_for_reply(general, question.ts, containing=last, timeout=60)
        eventually(lambda: any(row.ts for row in left_replies(observability)))
    tick(start_bot())
    (reply,) = ended(sandbox, general, question, "octagonal_sign")
    assert reply.blocks[0]["text"].startswith(begins)
    assert last in reply.blocks[0]["text"]
    assert [block["type"] for block in reply.blocks] == ["markdown", "context", "actions"]


@pytest.mark.parametrize("letter", ["a", "ж", "글"])
def test_a_reply_of_a_killed_process_keeps_its_words_beside_tools_in_any_script(
    letter: str,
    web: WebClient,
    start_bot: StartBot,
    sandbox: Sandbox,
    alice: User,
    general: Channel,
    observability: Observability,
) -> None:
    bot = start_bot()
    question = sandbox.post(alice, general, "think hard")
    long = ToolUse(id="1", title=letter * 70, details=letter * 150, output=letter * 200)
    used = cards([shown(long, str)] * 21)
    words = "word " * ((STREAM_LIMIT - size(used)) // 5)
    stream = web.chat_startStream(
        channel=general.id,
        thread_ts=question.ts,
        recipient_user_id=alice.id,
        recipient_team_id="T0SANDBOX1",
        task_display_mode="plan",
        chunks=[*task_chunks({}, used), {"type": "markdown_text", "text": f"First {words}last"}],
    )
    left = replace(unfinished_reply(question, agent="slow"), ts=str(stream["ts"]))
    put_reply(observability.database, left, process=NOBODY)
    tick(bot)
    (reply,) = ended(sandbox, general, question, "octagonal_sign")
    plan, said, *_ = reply.blocks
    assert len(plan["tasks"]) == 21
    assert said["text"].startswith("First word")
    assert said["text"].endswith("word last")


def test_a_note_about_a_killed_process_goes_without_words_that_slack_refuses(
    doomed: Doomed,
    start_bot: StartBot,
    sandbox: Sandbox,
    alice: User,
    general: Channel,
    observability: Observability,
) -> None:
    with doomed():
        question = sandbox.post(alice, general, f"{sandbox.mention} think hard")
        sandbox.wait_for_reply(general, question.ts, containing="The first half", timeout=60)
        eventually(lambda: any(row.ts for row in left_replies(observability)))
    sandbox.faults.refuse_blocks("markdown")
    tick(start_bot())
    (reply,) = ended(sandbox, general, question, "octagonal_sign")
    assert [block["type"] for block in reply.blocks] == ["context", "actions"]
    assert "I was restarted" in str(reply.blocks)
