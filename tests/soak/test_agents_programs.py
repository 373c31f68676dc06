"""All five agent programs; test_real_programs.py has the quicker part."""

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
"""Not opencode: it ends without waiting until what it tells of itself has been sent."""


@pytest.mark.parametrize("name", OTHERS)
def test_it_answers_and_says_what_it_took(name: str, tmp_path: Path) -> None:
    agent_checks.answers(name, tmp_path)


@pytest.mark.parametrize("name", SLOW)
def test_only_in_execute_mode_it_changes_files(name: str, tmp_path: Path) -> None:
    agent_checks.changes_files_only_in_execute_mode(name, tmp_path)


@pytest.mark.parametrize("name", SLOW)
def test_it_reads_a_file_that_came_with_the_message(name: str, tmp_path: Path) -> None:
    agent_checks.reads_a_file_that_came(name, tmp_path)


@pytest.mark.parametrize("name", SLOW)
def test_a_wrong_key_is_told_apart(name: str, tmp_path: Path) -> None:
    agent_checks.tells_a_wrong_key(name, tmp_path)


@pytest.mark.parametrize("name", SLOW)
def test_it_can_be_stopped_while_its_model_thinks(name: str, tmp_path: Path) -> None:
    agent_checks.can_be_stopped(name, tmp_path)


@pytest.mark.parametrize("name", BELOW)
def test_its_own_telemetry_hangs_under_our_attempt(
    name: str, tmp_path: Path, observability: Observability
) -> None:
    agent_checks.hangs_its_telemetry_under_ours(name, tmp_path, observability, (BELOW[name],))
