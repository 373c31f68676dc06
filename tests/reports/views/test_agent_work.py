"""What an agent did: each model call and each tool once, below its attempt."""

from typing import Any

from reports.views.agent_work import agent_work
from storage.model.span import Span
from tests.support.factories import NOW, SECOND


def span(number: int, name: str, parent: int | None, **facts: Any) -> Span:
    known = {"status": "ok", "duration_ns": SECOND, "attributes": {}, **facts}
    return Span(
        trace_id="1",
        span_id=str(number),
        parent_id=None if parent is None else str(parent),
        name=name,
        started_at=NOW + number,
        **known,
    )


def shown(*spans: Span) -> list[str]:
    return [
        f"{'  ' * line.depth}{line.kind} {line.title} | {line.facts}"
        for line in agent_work(spans, now=NOW)
    ]


ATTEMPT = span(
    1,
    "attempt claude",
    0,
    agent="claude",
    configured_provider="claude",
    provider="claude",
    model="sonnet",
    input_tokens=1_204,
    output_tokens=356,
    cost=12_345,
    attributes={"tool_calls": 1},
)


def test_slacks_machinery_is_not_among_what_an_agent_did() -> None:
    root = span(0, "slack message", None, decision="answer")
    reply = span(5, "reply", 0, text="Hello", agent="claude")
    assert shown(root, ATTEMPT, reply) == [
        "attempt claude sonnet | 1.2k → 356, $0.0123, 1 tool",
    ]


def test_claudes_telemetry_is_told_once_by_time() -> None:
    told = shown(
        ATTEMPT,
        span(2, "claude_code.interaction", 1),
        span(3, "claude_code.llm_request", 2, model="sonnet", input_tokens=9, output_tokens=2),
        span(4, "claude_code.tool", 2, attributes={"tool_name": "Bash", "full_command": "ls\n-l"}),
        span(5, "claude_code.tool.execution", 4, attributes={"tool_name": "Bash"}),
    )
    assert told[1:] == ["  model sonnet | 9 → 2", "  tool Bash | ls -l"]


def test_of_model_calls_around_each_other_the_innermost_is_told() -> None:
    told = shown(
        span(1, "agent run", None, model="gpt", input_tokens=30, output_tokens=3),
        span(2, "chat gpt", 1, model="gpt", attributes={"gen_ai.operation.name": "chat"}),
        span(3, "execute_tool weather", 1),
    )
    assert told == ["model gpt | ", "tool weather | "]


def test_agents_side_by_side_have_each_their_own() -> None:
    other = span(2, "attempt codex", 0, agent="codex", configured_provider="codex")
    tool = {"gen_ai.tool.name": "read"}
    told = shown(ATTEMPT, other, span(3, "tool", 2, attributes=tool), span(4, "tool", 1))
    assert [line.partition(" |")[0] for line in told] == [
        "attempt claude sonnet",
        "attempt codex",
        "  tool read",
    ]


def test_a_failed_call_says_why_and_broken_parents_do_no_harm() -> None:
    lost = span(7, "t", 8, attributes={"tool_name": "x"}, status="error", error_message="gone")
    around = span(8, "u", 7)
    assert shown(lost, around) == ["tool x | gone"]


def test_the_tools_that_an_attempts_output_told_of_stand_for_those_of_its_telemetry() -> None:
    def used(after: int, name: str, **facts: Any) -> dict[str, object]:
        known = {"gen_ai.tool.name": name, "status": "complete", **facts}
        return {"name": "execute_tool", "at": NOW + after, "attributes": known}

    attempt = span(
        1,
        "attempt claude",
        0,
        configured_provider="claude",
        status="timeout",
        events=(
            used(2, "Bash", **{"gen_ai.tool.call.arguments": "ls\n-l", "duration_ns": SECOND}),
            used(9, "Read", status="in_progress"),
            {"name": "other", "at": NOW, "attributes": {}},
        ),
    )
    model = span(5, "claude_code.llm_request", 1, model="sonnet", input_tokens=1)
    tool = span(4, "claude_code.tool", 1, attributes={"tool_name": "Bash"})
    lines = agent_work([attempt, tool, model], now=NOW)[1:]
    assert [(line.title, line.status, line.duration, line.facts) for line in lines] == [
        ("Bash", "ok", "1.0 s", "ls -l"),
        ("sonnet", "ok", "1.0 s", "1 → –"),
        ("Read", "timeout", "", ""),
    ]
