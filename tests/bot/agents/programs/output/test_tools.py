"""What an agent's tools work on and give, as people see it: bounded and without secrets."""

from collections.abc import Mapping

import pytest

from bot.agents.programs.output.answer import ParsedAnswer
from bot.agents.programs.output.parsers import claude, codex
from bot.agents.programs.output.reader import Parser
from bot.agents.types import Progress, ToolUse

CLAUDE_USE = {"type": "tool_use", "id": "t1", "name": "Bash"}


def told(*events: Mapping[str, object], parser: Parser = claude.parse) -> list[ToolUse]:
    received: list[Progress] = []
    answer = ParsedAnswer(on_progress=received.append)
    for event in events:
        parser(event, answer)
    return [progress.tool for progress in received if progress.tool]


def claude_events(arguments: object, content: object) -> tuple[Mapping[str, object], ...]:
    use = {**CLAUDE_USE, "input": arguments}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": content}
    return (
        {"type": "assistant", "message": {"content": [use]}},
        {"type": "user", "message": {"content": [result]}},
    )


def test_a_tools_arguments_and_result_have_no_secrets_where_they_are_cut() -> None:
    token = "xoxb-123456789012-123456789012-abcdefghijklmnopqrstuvwx"
    for length in range(1_960, 2_001, 10):
        text = "x" * length + f" {token} " + "y" * (1_990 - len(token) // 2)
        begun, ended = told(*claude_events({"prompt": text, "token": "opensesame"}, text))
        for shown in (begun.details, ended.output):
            assert len(shown) <= 2_000
            assert token[:12] not in shown and token[-12:] not in shown
        assert "opensesame" not in begun.details


@pytest.mark.parametrize(
    ("content", "output"),
    [
        (
            [{"type": "text", "text": "one"}, {"type": "image"}, {"type": "text", "text": "2"}],
            "one\n2",
        ),
        ([], ""),
        (None, ""),
        ({"text": "x"}, ""),
        ("x" * 1_000_001, "(1,000,001 characters)"),
        ("first " + "x" * 2_000, "x" * 2_000),
    ],
)
def test_a_result_of_any_shape_is_bounded(content: object, output: str) -> None:
    assert told(*claude_events({}, content))[-1].output == output


def test_a_long_argument_is_told_although_it_is_in_the_title() -> None:
    (begun, _) = told(*claude_events({"command": "make " + "x" * 60}, ""))
    assert begun.details == "command: make " + "x" * 60


def test_the_tools_of_codex_tell_what_they_change_and_whom_they_ask() -> None:
    change = {
        "id": "1",
        "type": "file_change",
        "changes": [{"path": "a.py", "kind": "update"}, {"path": "b.py", "kind": "add"}],
        "status": "completed",
    }
    call = {
        "id": "2",
        "type": "mcp_tool_call",
        "tool": "search",
        "arguments": {"query": "x"},
        "result": {"content": [{"type": "text", "text": "nothing found"}]},
        "status": "completed",
    }
    failing = {"id": "3", "type": "command_execution", "command": "make", "exit_code": 2}
    uses = told(
        {"type": "item.completed", "item": change},
        {"type": "item.started", "item": call},
        {"type": "item.completed", "item": call},
        {"type": "item.completed", "item": failing},
        parser=codex.parse,
    )
    assert [use.details for use in uses[::2][:2]] == ["update a.py\nadd b.py", "query: x"]
    assert [use.output for use in uses[1::2]] == ["", "nothing found"]
    assert uses[-1].status == "error"
