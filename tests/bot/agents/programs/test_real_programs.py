"""claude and codex themselves, headless, against a stand-in of their model on loopback.

The first run installs them from npm; without npm the tests are skipped.
tests/soak has the same for the others, and the rest of what these two are checked for.
"""

import json
from pathlib import Path

import pytest

from bot.sandbox import Channel, Sandbox, User
from storage import Observability
from storage.queries.traces import trace_spans
from tests.support import agent_checks
from tests.support.agent_programs import agents_file, provider
from tests.support.conversations import StartBot, finished
from tests.support.fake_models import Say, Use, model_server

QUICK = ("claude", "codex")


@pytest.mark.parametrize("name", QUICK)
def test_it_answers_and_says_what_it_took(name: str, tmp_path: Path) -> None:
    agent_checks.answers(name, tmp_path)


@pytest.mark.parametrize("name", QUICK)
def test_only_in_execute_mode_it_changes_files(name: str, tmp_path: Path) -> None:
    agent_checks.changes_files_only_in_execute_mode(name, tmp_path)


def test_claude_reads_a_file_that_came_with_the_message(tmp_path: Path) -> None:
    agent_checks.reads_a_file_that_came("claude", tmp_path)


@pytest.mark.parametrize("name", QUICK)
def test_it_cannot_read_the_bots_files_even_in_execute_mode(name: str, tmp_path: Path) -> None:
    agent_checks.cannot_read_the_bots_files(name, "execute", tmp_path)


def test_claude_can_be_stopped_while_its_model_thinks(tmp_path: Path) -> None:
    agent_checks.can_be_stopped("claude", tmp_path)


def test_a_question_in_slack_falls_back_to_claude_itself(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
    tmp_path: Path,
) -> None:
    with model_server(Use(arguments=agent_checks.TOOLS), Say(text="It is *forty two*.")) as models:
        claude = provider("claude", models.url, tmp_path)
        environment = ", ".join(
            f"{name} = {json.dumps(value)}" for name, value in claude.environment.items()
        )
        start_bot(
            f"""
            [agents.helper]
            [[agents.helper.providers]]
            provider = "codex"
            command = ["no-such-codex"]
            [[agents.helper.providers]]
            provider = "claude"
            command = ["{claude.command[0]}"]
            model = "opus"
            environment = {{ {environment} }}
            """
        )
        question = sandbox.post(alice, general, f"{sandbox.mention} what is 6 × 7?")
        sandbox.wait_for_reply(general, question.ts, containing="forty two", timeout=60)
        sandbox.wait_for_reaction(general, question.ts, "white_check_mark", timeout=30)
    assert models.unexpected == []
    (trace,) = finished(observability, general, question.ts)
    spans = {span.name: span for span in trace_spans(observability.database, trace.trace_id)}
    assert spans["invoke_agent helper"].attributes["fallbacks"] == 1
    assert spans["attempt codex"].error_type == "not_found"
    attempt = spans["attempt claude"]
    assert (attempt.configured_provider, attempt.provider) == ("claude", "claude")
    assert attempt.attributes["tracebot.model.configured"] == "opus"
    assert (attempt.input_tokens, attempt.output_tokens) == (2_240, 27)
    assert (attempt.cost is not None, attempt.cost_source) == (True, "reported")
    assert (attempt.attributes["turns"], attempt.attributes["tool_calls"]) == (2, 1)


def test_a_follow_up_in_slack_goes_on_with_the_session_of_claude(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
    tmp_path: Path,
) -> None:
    with model_server(Say(text="The disk is full.")) as models:
        start_bot(agents_file(provider("claude", models.url, tmp_path / "home")))
        agent_checks.goes_on_in_slack("claude", models, sandbox, observability, alice, general)


def test_codex_goes_on_with_its_session_until_that_is_gone(
    tmp_path: Path, observability: Observability
) -> None:
    agent_checks.goes_on_with_its_session("codex", tmp_path / "home", observability)
