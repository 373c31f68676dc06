"""The whole fortnight of the demo: its figures, and the command; the suite plays two days."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.reports.test_fortnight_figures import *  # noqa: F403
from tests.support.fortnight import Played, play_once
from tests.support.paths import MEASURED

TRACEBOT = str(Path(sys.executable).with_name("tracebot"))


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play_once(tmp_path_factory, days=14)


def run(home: Path, *arguments: str, **variables: str) -> str:
    environment = {**MEASURED, "HOME": str(home), "PATH": os.environ["PATH"], "TMPDIR": str(home)}
    done = subprocess.run(
        [TRACEBOT, *arguments],
        env={**environment, **variables},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_each_command_that_the_fortnight_suggests_has_something_to_show(tmp_path: Path) -> None:
    of_a_bot = {"TRACEBOT_FEEDBACK_UP": "heart", "TRACEBOT_CAPTURE": "none"}
    shown = run(tmp_path, "demo", "--fortnight", **of_a_bot)
    assert "Error share of codex: 100%" in shown
    assert "of the budget for claude is spent" in shown
    assert shown.count("What the agents did") in (9, 10)
    (database,) = re.findall(r"export TRACEBOT_DATABASE_URL=(\S+)", shown)
    assert list(tmp_path.iterdir()) == [Path(database).parent]
    suggested = re.findall(r"^  (?:\S*/)?tracebot (?!demo)(\S.*?)  ", shown, re.MULTILINE)
    assert len(suggested) == 9
    for command in suggested:
        answer = run(tmp_path, *command.split(), TRACEBOT_DATABASE_URL=database)
        assert len(answer.splitlines()) > 2, command
