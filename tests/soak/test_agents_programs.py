"""All five agent programs; test_real_programs.py has the quick part."""

from pathlib import Path

import pytest

from bot.sandbox import Channel, Sandbox, User
from storage import Observability
from tests.support import agent_checks
from tests.support.agent_programs import agents_file, provider
from tests.support.conversations import StartBot
from tests.support.fake_models import Say, model_server

SLOW = ("gemini", "copilot", "opencode")


@pytest.mark.parametrize("name", SLOW)
def test_it_answers_and_reports_its_tokens(name: str, tmp_path: Path) -> None:
    agent_checks.answers(name, tmp_path)


@pytest.mark.parametrize("name", SLOW)
def test_it_changes_files_only_in_execute_mode(name: str, tmp_path: Path) -> None:
    agent_checks.changes_files_only_in_execute_mode(name, tmp_path)


@pytest.mark.parametrize("name", SLOW)
def test_it_reads_a_file_that_is_attached_to_the_message(name: str, tmp_path: Path) -> None:
    agent_checks.reads_a_file_that_came(name, tmp_path)


@pytest.mark.parametrize("name", SLOW)
def test_a_wrong_key_is_an_authentication_error(name: str, tmp_path: Path) -> None:
    agent_checks.tells_a_wrong_key(name, tmp_path)


@pytest.mark.parametrize("name", SLOW)
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


def test_gemini_cannot_read_the_bots_files(tmp_path: Path) -> None:
    agent_checks.cannot_read_the_bots_files("gemini", tmp_path)


def test_a_follow_up_in_slack_goes_on_with_the_session_of_gemini(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
    tmp_path: Path,
) -> None:
    with model_server(Say(text="The disk is full.")) as models:
        start_bot(agents_file(provider("gemini", models.url, tmp_path / "home")))
        agent_checks.goes_on_in_slack("gemini", models, sandbox, observability, alice, general)
