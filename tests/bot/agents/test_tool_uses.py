"""The tools that an agent uses are recorded as events of its attempt."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest

from bot.agents.errors import AgentError
from bot.agents.invocation import invoke
from bot.agents.tool_uses import MOST
from bot.agents.types import Agent, Progress, Request
from storage import Observability
from storage.queries.traces import recent_traces, trace_spans
from tests.support.fake_agent import Scripted, crashed


def attempt_with(
    observability: Observability, agent: Scripted, **given: Any
) -> list[Mapping[str, Any]]:
    """Ask the agent, and return the attributes of its attempt's events."""
    request = Request(prompt="x", **given)
    with suppress(AgentError):
        invoke(Agent(name="a", providers=(agent,)), request, observability=observability)
    assert observability.flush()
    trace = recent_traces(observability.database).traces[0]
    (attempt,) = (
        span
        for span in trace_spans(observability.database, trace.trace_id)
        if span.configured_provider
    )
    return [event["attributes"] for event in attempt.events]  # type: ignore[misc]


@pytest.mark.parametrize("captured", [True, False])
def test_a_tool_is_recorded_with_its_arguments_as_far_as_text_is_captured(
    observability: Observability, captured: bool
) -> None:
    agent, passed = Scripted(), list[Progress]()
    agent.use("Bash: ls", details="timeout: 5")
    agent.used("one\ntwo")
    agent.use("Read")
    agent.fail(crashed())
    keep = (lambda text: text) if captured else (lambda text: None)
    events = attempt_with(observability, agent, captured=keep, on_progress=passed.append)
    assert [(each["gen_ai.tool.name"], each["status"]) for each in events] == [
        ("Bash", "complete"),
        ("Read", "in_progress"),
    ]
    shown = [each.get("gen_ai.tool.call.arguments") for each in events]
    assert shown[0] == ("ls\ntimeout: 5" if captured else None)
    assert "one" not in str(events), "a result is not an argument"
    assert len(passed) == 3


def test_of_many_tools_the_last_ones_are_kept(observability: Observability) -> None:
    agent = Scripted()
    for number in range(MOST + 5):
        agent.use(f"Tool{number}")
    agent.end("done")
    events = attempt_with(observability, agent)
    assert len(events) == MOST
    assert events[-1]["gen_ai.tool.name"] == f"Tool{MOST + 4}"
