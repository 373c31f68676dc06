"""All five agent programs; test_real_programs.py has the quick part."""

from pathlib import Path

import pytest

from storage import Observability
from tests.support import agent_checks

OTHERS = ("copilot", "opencode")
SLOW = ("gemini", *OTHERS)
BELOW = {
    "claude": "claude_code.interaction",
    "codex": "session_task.turn",
    "gemini": "llm_call",
    "copilot": "invoke_agent",
}
"""Without opencode, which ends before its telemetry has been sent."""


@pytest.mark.parametrize("name", OTHERS)
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


@pytest.mark.parametrize("name", SLOW)
def test_it_goes_on_with_its_session_until_that_is_gone(
    name: str, tmp_path: Path, observability: Observability
) -> None:
    agent_checks.goes_on_with_its_session(name, tmp_path / "home", observability)


@pytest.mark.parametrize("name", BELOW)
def test_its_own_telemetry_is_a_child_of_our_attempt(
    name: str, tmp_path: Path, observability: Observability
) -> None:
    agent_checks.hangs_its_telemetry_under_ours(name, tmp_path, observability, (BELOW[name],))
