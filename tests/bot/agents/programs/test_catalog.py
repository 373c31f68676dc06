"""Asking an agent: its providers one after the other, and what is recorded of each attempt."""

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from bot.agents.cancellation import Cancellation
from bot.agents.errors import AgentCancelled, AgentCrashed, AgentError, AgentTimeout
from bot.agents.invocation import invoke
from bot.agents.programs.provider import CommandProvider
from bot.agents.types import Agent, Mode, Progress, Reply, Request
from bot.settings import Settings
from storage import Observability
from storage.model.span import Span
from storage.queries.traces import recent_traces, trace_spans


@dataclass(frozen=True, kw_only=True, slots=True)
class Scripted:
    """A provider that does what the test says."""

    name: str
    act: Callable[[Request], Reply]
    model: str | None = None

    def answer(self, request: Request) -> Reply:
        return self.act(request)


def failing(name: str, error: AgentError) -> Scripted:
    def act(request: Request) -> Reply:
        raise error

    return Scripted(name=name, act=act)


def answering(name: str, **known: object) -> Scripted:
    return Scripted(name=name, act=lambda request: Reply(text="yes", provider=name, **known))  # type: ignore[arg-type]


def spans(observability: Observability) -> list[Span]:
    """The spans of the one trace, in the order in which they began."""
    observability.flush()
    (trace,) = recent_traces(observability.database).traces
    return list(trace_spans(observability.database, trace.trace_id))


@pytest.mark.parametrize(
    ("allowed", "asked", "arguments"),
    [
        ("query", "query", "['-r']"),
        ("execute", "execute", "['-w']"),
        ("execute", "query", "['-r']"),
        ("query", "execute", "['-r']"),
    ],
)
def test_only_an_agent_that_may_change_files_is_told_to(
    allowed: Mode, asked: Mode, arguments: str, observability: Observability
) -> None:
    provider = CommandProvider(
        agent="helper",
        command=(sys.executable, "-S", "-c", "import sys; print(sys.argv[1:])"),
        mode_arguments={"query": ("-r",), "execute": ("-w",)},
    )
    agent = Agent(name="helper", mode=allowed, providers=(provider,))
    request = Request(prompt="x", mode=asked)
    assert invoke(agent, request, observability=observability).text == arguments


def test_one_attempt_is_a_span_under_the_question(observability: Observability) -> None:
    provider = answering(
        "claude",
        model="opus-5",
        input_tokens=12,
        output_tokens=3,
        cached_tokens=0,
        cost=4_100,
        cost_source="reported",
        turns=2,
        tool_calls=1,
        first_output_ns=1_500_000_000,
        stop_reason="end_turn",
        session_id="s1",
        response_id="r1",
        exit_code=0,
    )
    agent = Agent(name="reviewer", providers=(provider,))
    invoke(agent, Request(prompt="why?"), observability=observability)
    question, attempt = spans(observability)
    assert (question.name, question.agent) == ("invoke_agent reviewer", "reviewer")
    assert (question.provider, question.model, question.cost) == ("claude", "opus-5", None)
    assert question.attributes["fallbacks"] == 0
    assert (attempt.name, attempt.parent_id) == ("attempt claude", question.span_id)
    assert (attempt.configured_provider, attempt.provider) == ("claude", "claude")
    assert (attempt.input_tokens, attempt.output_tokens, attempt.cached_tokens) == (12, 3, 0)
    assert (attempt.model, attempt.cost, attempt.cost_source) == ("opus-5", 4_100, "reported")
    assert attempt.attributes == {
        "mode": "query",
        "prompt_characters": 4,
        "history_messages": 0,
        "history_characters": 0,
        "files": 0,
        "turns": 2,
        "tool_calls": 1,
        "gen_ai.response.time_to_first_chunk": 1.5,
        "gen_ai.response.finish_reasons": "end_turn",
        "gen_ai.response.id": "r1",
        "gen_ai.conversation.id": "s1",
        "process.exit.code": 0,
    }


@pytest.mark.parametrize(
    "error_type",
    ["not_found", "not_started", "quota", "authentication", "too_long", "crash", "timeout"],
)
def test_the_next_provider_is_asked_after_what_is_worth_a_second_try(
    error_type: str, observability: Observability
) -> None:
    received: list[Progress] = []
    agent = Agent(
        name="reviewer",
        providers=(failing("claude", AgentError(error_type, "No.")), answering("codex")),
    )
    request = Request(prompt="x", on_progress=received.append)
    assert invoke(agent, request, observability=observability).provider == "codex"
    question, first, second = spans(observability)
    assert (question.status, question.provider) == ("ok", "codex")
    assert question.attributes["fallbacks"] == 1
    assert (first.name, first.error_type) == ("attempt claude", error_type)
    assert (second.name, second.status) == ("attempt codex", "ok")
    assert [each.attributes.get("tracebot.fallback") for each in (first, second)] == [None, True]
    assert received == [Progress(restart=True)]


@pytest.mark.parametrize("error_type", ["refused", "cancelled", "empty"])
def test_a_refusal_is_not_taken_elsewhere(error_type: str, observability: Observability) -> None:
    agent = Agent(
        name="reviewer",
        providers=(failing("claude", AgentError(error_type, "No.")), answering("codex")),
    )
    with pytest.raises(AgentError, match="No."):
        invoke(agent, Request(prompt="x"), observability=observability)
    question, attempt = spans(observability)
    assert (question.error_type, attempt.error_type) == (error_type, error_type)


def test_the_last_failure_is_the_agents(observability: Observability) -> None:
    agent = Agent(
        name="reviewer",
        providers=(failing("claude", AgentCrashed("One.")), failing("codex", AgentTimeout("Two."))),
    )
    with pytest.raises(AgentTimeout, match="Two."):
        invoke(agent, Request(prompt="x"), observability=observability)
    question, first, second = spans(observability)
    assert [span.status for span in (question, first, second)] == ["timeout", "error", "timeout"]
    assert question.attributes["fallbacks"] == 1


@pytest.mark.parametrize(("capture", "kept"), [("none", None), ("preview", "oh")])
def test_what_a_failed_attempt_cost_and_said_is_recorded(
    observability: Observability, capture: str, kept: str | None
) -> None:
    captured = Settings(_env_file=None, capture=capture).captured
    partial = Reply(text="hal", provider="claude", input_tokens=9, cost=70, cost_source="reported")
    error = AgentCrashed("Broke.", exit_code=3, stderr="oh", partial=partial)
    agent = Agent(name="reviewer", providers=(failing("claude", error),))
    with pytest.raises(AgentCrashed):
        invoke(agent, Request(prompt="x", captured=captured), observability=observability)
    _, attempt = spans(observability)
    assert (attempt.input_tokens, attempt.cost) == (9, 70)
    assert attempt.attributes["process.exit.code"] == 3
    assert attempt.attributes.get("process.stderr") == kept


def test_a_cancelled_turn_asks_nobody_else(observability: Observability) -> None:
    cancellation = Cancellation()

    def give_up(request: Request) -> Reply:
        cancellation.cancel("U1")
        raise AgentCrashed("Broke.")

    agent = Agent(
        name="reviewer", providers=(Scripted(name="claude", act=give_up), answering("codex"))
    )
    with pytest.raises(AgentCancelled, match="Stopped by U1."):
        invoke(agent, Request(prompt="x", cancellation=cancellation), observability=observability)
    question, _, second = spans(observability)
    assert (question.status, second.status) == ("cancelled", "cancelled")


def test_a_running_command_is_stopped_by_a_cancel(observability: Observability) -> None:
    provider = CommandProvider(agent="slow", command=("sleep", "60"))
    agent = Agent(name="slow", providers=(provider,))
    cancellation = Cancellation()
    timer = threading.Timer(0.2, cancellation.cancel, ["U1"])
    timer.start()
    started = time.monotonic()
    with pytest.raises(AgentCancelled):
        invoke(agent, Request(prompt="x", cancellation=cancellation), observability=observability)
    timer.join()
    assert time.monotonic() - started < 10
    assert [span.status for span in spans(observability)] == ["cancelled", "cancelled"]


def test_a_cancellation_is_told_once_and_who_it_was() -> None:
    cancellation, told = Cancellation(), []
    with cancellation.watch(lambda: told.append("in time")):
        assert cancellation.by is None
        assert cancellation.cancel("U1")
        assert not cancellation.cancel("U2")
    assert (cancellation.by, told) == ("U1", ["in time"])


def test_who_watches_after_a_cancel_is_told_at_once() -> None:
    cancellation, told = Cancellation(), []
    cancellation.cancel("U1")
    with cancellation.watch(lambda: told.append("late")):
        assert told == ["late"]


def test_who_watches_no_longer_is_not_told() -> None:
    cancellation, told = Cancellation(), []
    with cancellation.watch(lambda: told.append("gone")):
        pass
    cancellation.cancel("U1")
    assert told == []
