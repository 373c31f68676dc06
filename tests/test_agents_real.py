"""claude, codex and gemini themselves, headless, against a stand-in of their model on loopback.

The first run installs them from npm (tests/agent_programs.py); without npm the tests are skipped.
tests/soak has the same for the others, and what takes gemini longer.
"""

from pathlib import Path

import pytest

from storage import Observability
from tests import agent_checks

REAL = ("claude", "codex", "gemini")
QUICK = ("claude", "codex")


@pytest.mark.parametrize("name", REAL)
def test_it_answers_and_says_what_it_took(name: str, tmp_path: Path) -> None:
    agent_checks.answers(name, tmp_path)


@pytest.mark.parametrize("name", QUICK)
def test_only_in_execute_mode_it_changes_files(name: str, tmp_path: Path) -> None:
    agent_checks.changes_files_only_in_execute_mode(name, tmp_path)


@pytest.mark.parametrize("name", QUICK)
def test_it_reads_a_file_that_came_with_the_message(name: str, tmp_path: Path) -> None:
    agent_checks.reads_a_file_that_came(name, tmp_path)


@pytest.mark.parametrize("name", QUICK)
def test_a_wrong_key_is_told_apart(name: str, tmp_path: Path) -> None:
    agent_checks.tells_a_wrong_key(name, tmp_path)


@pytest.mark.parametrize("name", QUICK)
def test_it_can_be_stopped_while_its_model_thinks(name: str, tmp_path: Path) -> None:
    agent_checks.can_be_stopped(name, tmp_path)


@pytest.mark.parametrize(
    ("name", "below"), [("claude", "claude_code.interaction"), ("codex", "session_task.turn")]
)
def test_its_own_telemetry_hangs_under_our_attempt(
    name: str, below: str, tmp_path: Path, observability: Observability
) -> None:
    agent_checks.hangs_its_telemetry_under_ours(name, tmp_path, observability, (below,))
