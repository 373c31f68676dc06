"""All five agent programs; test_real_programs.py has the quick part."""

import time
from pathlib import Path

import pytest

from bot.agents.invocation import invoke
from bot.agents.types import Agent, Mode, Request
from bot.http.otlp_receiver import Collector
from bot.sandbox import Channel, Sandbox, User
from storage import Observability
from storage.queries.traces import recent_traces, trace_spans
from tests.support import agent_checks
from tests.support.agent_checks import PLACE
from tests.support.agent_programs import agents_file, provider
from tests.support.conversations import StartBot
from tests.support.fake_models import Say, Use, model_server

SLOW = ("gemini", "copilot", "opencode")
ALL = ("claude", "codex", *SLOW)


@pytest.mark.parametrize("name", SLOW)
def test_it_answers_and_reports_its_tokens(name: str, tmp_path: Path) -> None:
    agent_checks.answers(name, tmp_path)


@pytest.mark.parametrize("name", SLOW)
def test_it_changes_files_only_in_execute_mode(name: str, tmp_path: Path) -> None:
    agent_checks.changes_files_only_in_execute_mode(name, tmp_path)


@pytest.mark.parametrize("name", ["codex", *SLOW])
def test_it_reads_a_file_that_is_attached_to_the_message(name: str, tmp_path: Path) -> None:
    agent_checks.reads_a_file_that_came(name, tmp_path)


@pytest.mark.parametrize("name", ALL)
def test_a_wrong_key_is_an_authentication_error(name: str, tmp_path: Path) -> None:
    agent_checks.tells_a_wrong_key(name, tmp_path)


@pytest.mark.parametrize("name", ["codex", *SLOW])
def test_it_can_be_stopped_while_its_model_thinks(name: str, tmp_path: Path) -> None:
    agent_checks.can_be_stopped(name, tmp_path)


@pytest.mark.parametrize("name", ["claude", *SLOW])
def test_it_goes_on_with_its_session_until_that_is_gone(
    name: str, tmp_path: Path, observability: Observability
) -> None:
    agent_checks.goes_on_with_its_session(name, tmp_path / "home", observability)


@pytest.mark.parametrize("name", agent_checks.TELEMETRY)
def test_its_own_telemetry_is_a_child_of_our_attempt(
    name: str, tmp_path: Path, observability: Observability
) -> None:
    agent_checks.hangs_its_telemetry_under_ours(name, tmp_path, observability)


@pytest.mark.parametrize("mode", ["query", "execute"])
@pytest.mark.parametrize("name", ["claude", "codex", "gemini"])
def test_it_cannot_read_the_bots_files(name: str, mode: Mode, tmp_path: Path) -> None:
    agent_checks.cannot_read_the_bots_files(name, mode, tmp_path)


@pytest.mark.parametrize("name", ["codex", "gemini"])
def test_a_follow_up_in_slack_goes_on_with_its_session(
    name: str,
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
    tmp_path: Path,
) -> None:
    with model_server(Say(text="The disk is full.")) as models:
        start_bot(agents_file(provider(name, models.url, tmp_path / "home")))
        agent_checks.goes_on_in_slack(name, models, sandbox, observability, alice, general)


SUBAGENT = {"description": "Look", "prompt": "Look into it", "subagent_type": "general-purpose"}


def test_what_a_subagent_of_claude_takes_counts_once_with_and_without_telemetry(
    observability: Observability, tmp_path: Path
) -> None:
    steps = (
        Use(arguments={"Agent": SUBAGENT, "Task": SUBAGENT}),
        Say(text="I looked.", input_tokens=500, written_tokens=300, output_tokens=50),
        Say(text="Done.", input_tokens=10, output_tokens=5),
    )
    receiver = Collector(observability, capture=lambda text: text[:20], key="c0ffee" * 5)
    figures = {}
    for collector in (None, receiver.listen()):
        with (
            model_server(*steps) as models,
            observability.span("slack message", **PLACE) as turn,
        ):
            program = provider("claude", models.url, tmp_path / "home")
            reply = invoke(
                Agent(name="claude", mode="execute", providers=(program,)),
                Request(prompt="Look.", mode="execute", collector=collector),
                observability=observability,
            )
        assert models.unexpected == []
        assert (reply.input_tokens, reply.output_tokens, reply.cost) == (3_930, 75, 8_400)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            assert observability.flush()
            spans = trace_spans(observability.database, turn.trace_id)
            requests = [span for span in spans if span.name == "claude_code.llm_request"]
            if collector is None or len(requests) == 3:
                break
            time.sleep(0.05)
        (summary,) = [
            trace
            for trace in recent_traces(observability.database).traces
            if trace.trace_id == turn.trace_id
        ]
        tokens = (summary.input_tokens, summary.output_tokens, summary.cached_tokens)
        figures[len(requests)] = (*tokens, summary.cost)
    assert figures == dict.fromkeys((0, 3), (3_930, 75, 3_000, 8_400))
    receiver.stop()
