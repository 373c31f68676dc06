"""The tools that an agent uses are shown in its reply, while it works and afterwards."""

import json
from typing import Any

import pytest

from bot.agents.types import Progress, ToolUse
from bot.replies.draft import MOST_TOOLS, GrowingDraft
from bot.sandbox import Channel, Message, Sandbox
from tests.support.conversations import ended
from tests.support.fake_agent import Scripted, crashed
from tests.support.replies import running

pytestmark = pytest.mark.usefixtures("quick_replies")


def plan_of(message: Message) -> tuple[str, list[tuple[str, str]]]:
    """Return the title of a message's plan, and its tasks but for the first."""
    (plan,) = [block for block in message.blocks if block["type"] == "plan"]
    return plan["title"], [(task["title"], task["status"]) for task in plan["tasks"][1:]]


def code(task: dict[str, Any], name: str) -> str:
    (part,) = task[name]["elements"]
    assert part["type"] == "rich_text_preformatted"
    return str(part["elements"][0]["text"])


def test_tools_are_shown_while_they_are_used_and_stay_in_the_answer(
    agent: Scripted, question: Message, sandbox: Sandbox, general: Channel
) -> None:
    agent.use("Read notes.txt")
    agent.used("<!channel> 3 lines")
    agent.use("Bash: make", details="command: make all")

    def shows(title: str, *tasks: tuple[str, str]) -> bool:
        replies = sandbox.thread(general, question.ts)[1:]
        return bool(replies) and plan_of(replies[0]) == (title, list(tasks))

    read = ("Read notes.txt", "complete")
    sandbox.wait_until(lambda: shows("scripted is at work …", read, ("Bash: make", "in_progress")))
    agent.used("no rule to make target", failed=True)
    sandbox.wait_until(lambda: shows("scripted is at work …", read, ("Bash: make", "error")))
    agent.use("Bash: ls")
    agent.end("done")
    (answer,) = ended(sandbox, general, question, "white_check_mark")
    assert [block["type"] for block in answer.blocks] == ["plan", "markdown", "context_actions"]
    used = (read, ("Bash: make", "error"), ("Bash: ls", "complete"))
    assert plan_of(answer) == ("Used 3 tools", list(used))
    _, notes, make, _ = answer.blocks[0]["tasks"]
    assert code(notes, "output") == "<\u200b!channel> 3 lines"
    assert code(make, "details") == "command: make all"
    assert code(make, "output") == "no rule to make target"
    (stop,) = sandbox.calls("chat.stopStream")
    assert [block["type"] for block in stop.arguments["blocks"]] == ["context_actions"]
    assert not sandbox.calls("chat.update")


def test_the_tools_of_an_answer_that_replaces_what_was_streamed_stay_above_it(
    agent: Scripted, question: Message, sandbox: Sandbox, general: Channel
) -> None:
    agent.say("I look.")
    agent.use("Bash: ls", details="command: ls -l")
    agent.used("total 0")
    running(sandbox, general, question, "I look.")
    agent.end("There is nothing.")
    (answer,) = ended(sandbox, general, question, "white_check_mark")
    assert [block["type"] for block in answer.blocks] == ["plan", "markdown", "context_actions"]
    (task,) = answer.blocks[0]["tasks"]
    assert (code(task, "details"), code(task, "output")) == ("command: ls -l", "total 0")


def test_an_answer_of_hundreds_of_tools_is_streamed_to_its_end(
    agent: Scripted, question: Message, sandbox: Sandbox, general: Channel
) -> None:
    for number in range(300):
        agent.use(f"Bash: step {number} " + "x" * 500, details="한" * 500)
        agent.used("글" * 3_000)
    agent.say("done " * 300)
    running(sandbox, general, question, "done done")
    agent.end("done " * 299 + "done")
    (answer,) = ended(sandbox, general, question, "white_check_mark")
    assert not sandbox.calls("chat.update")
    title, tasks = plan_of(answer)
    assert (title, len(tasks)) == ("Used 300 tools", 21)
    assert tasks[-1][0].startswith("280 more: Bash: step 299")


def test_a_timeline_of_many_tools_shows_the_newest_without_secrets_and_how_it_failed(
    agent: Scripted, question: Message, sandbox: Sandbox, general: Channel
) -> None:
    for number in range(50):
        agent.use(f"Bash step {number} " + "x" * 200)
    agent.use("Bash curl -u ann:hunter2secret https://example.com")
    agent.fail(crashed())
    (reply,) = ended(sandbox, general, question, "x")
    plan = reply.blocks[0]
    assert (plan["type"], plan["title"]) == ("plan", "Used 51 tools")
    assert "hunter2secret" not in str(plan)
    assert plan["tasks"][-1]["status"] == "error"
    assert len(json.dumps(plan)) < 1_500


def test_a_timeline_that_slack_refuses_is_left_out(
    agent: Scripted, question: Message, sandbox: Sandbox, general: Channel
) -> None:
    sandbox.faults.refuse_blocks("plan", named=False)
    agent.use("Read notes.txt")
    agent.end("done")
    (answer,) = ended(sandbox, general, question, "white_check_mark")
    assert answer.text == "done"
    assert "plan" not in {block["type"] for block in answer.blocks}


def test_text_after_a_tool_begins_a_paragraph(
    agent: Scripted, question: Message, sandbox: Sandbox, general: Channel
) -> None:
    agent.say("I look.")
    agent.use("Read")
    agent.say("It says")
    agent.say(" no.")
    running(sandbox, general, question, "I look.\n\nIt says no.")
    agent.end("No.")
    ended(sandbox, general, question, "white_check_mark")


def test_a_flood_of_tools_is_bounded_and_the_newest_is_shown() -> None:
    growing = GrowingDraft(clean=str)
    for number in range(3 * MOST_TOOLS):
        growing.add(Progress(tool=ToolUse(id=str(number), title=f"tool {number}")))
    shown = [tool.title for tool in growing.read().tools]
    assert len(shown) == MOST_TOOLS
    assert (shown[0], shown[-1]) == ("tool 0", f"tool {3 * MOST_TOOLS - 1}")
