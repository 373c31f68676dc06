"""What agents record of themselves hangs under our own span of them: the real programs, in Slack.

Their model is a stand-in on loopback, the receiver is the real one. tests/soak has the same for
gemini and copilot.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.agents.programs.catalog import PROGRAMS as CATALOG
from bot.agents.programs.catalog import Program
from bot.http.otlp_receiver import Collector
from bot.lifecycle import Bot
from bot.sandbox import Channel, Sandbox, User
from storage import Observability
from storage.model.span import Span
from storage.queries.traces import TraceSummary, recent_traces
from tests.support.agent_checks import hangs_its_telemetry_under_ours, spans_once
from tests.support.conversations import StartBot
from tests.support.fake_agent import Scripted, roster_of


@pytest.fixture
def url(observability: Observability) -> Iterator[str]:
    collector = Collector(observability, capture=lambda text: text[:20], key="c0ffee" * 5)
    yield collector.listen()
    collector.stop()


@pytest.mark.parametrize("name", ["claude", "codex"])
def test_an_agents_own_spans_hang_under_its_attempt(
    name: str, observability: Observability, tmp_path: Path
) -> None:
    hangs_its_telemetry_under_ours(name, tmp_path, observability)


@pytest.mark.parametrize("program", CATALOG, ids=lambda program: program.name)
def test_no_argument_of_a_program_has_the_key_of_the_receiver(program: Program) -> None:
    telemetry = program.telemetry("http://127.0.0.1:4318/c0ffee", {})
    assert "c0ffee" not in " ".join(telemetry.arguments)
    assert "c0ffee" in " ".join(telemetry.environment.values())


AGENT = """
import os, sys
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
with provider.get_tracer("agent").start_as_current_span("think"):
    print("thought about", sys.stdin.read().strip())
"""


def test_an_agents_own_spans_are_in_the_slack_turn(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: Callable[..., Bot],
    alice: User,
    general: Channel,
    url: str,
    tmp_path: Path,
) -> None:
    script = tmp_path / "agent.py"
    script.write_text(AGENT)
    agents = f"""
    default = "thinker"
    [agents.thinker]
    provider = "command"
    command = ["{sys.executable}", "{script}"]
    """
    start_bot(agents, collector=url)
    question = sandbox.post(alice, general, f"{sandbox.mention} what now?")
    sandbox.wait_for_reply(general, question.ts, containing="thought about")

    def done(spans: list[Span]) -> bool:
        return {"think", "slack message"} <= {span.name for span in spans if span.ended_at}

    spans = {span.name: span for span in spans_once(observability, done)}
    think, attempt = spans["think"], spans["attempt command"]
    assert think.parent_id == attempt.span_id
    assert (think.channel, think.user, think.agent) == (general.id, alice.id, "thinker")
    summary: TraceSummary = recent_traces(observability.database).traces[0]
    assert summary.audience == think.audience


def test_each_turn_is_given_an_address_of_its_own(
    sandbox: Sandbox, start_bot: StartBot, alice: User, general: Channel, agent: Scripted
) -> None:
    start_bot(roster_of(agent), collector="http://127.0.0.1:4318/c0ffee")
    for text in ("one", "two"):
        question = sandbox.post(alice, general, f"{sandbox.mention} {text}")
        agent.wait_until_asked()
        agent.end("done")
        sandbox.wait_for_reaction(general, question.ts, "white_check_mark")
    given = {str(request.collector) for request in agent.requests}
    assert len(given) == 2
    assert not any("c0ffee" in each for each in given)
