"""`scripts/setup` creates an environment, and brings it up to date without changing its Python."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PYTHON = """#!/bin/sh
# Notes who is called with what, and creates an environment as `python -m venv` does.
echo "$(basename "$0") $*" >> "$CALLS"
case "$*" in
-m\\ venv*)
    for folder; do :; done
    mkdir -p "$folder/bin"
    touch "$folder/pyvenv.cfg"
    sed "s/basename .*)/echo .venv)/" "$0" > "$folder/bin/python"
    chmod +x "$folder/bin/python"
    ;;
esac
"""


class Clone:
    """A clone of the project whose interpreters only note how they are called."""

    def __init__(self, folder: Path) -> None:
        self.environment = folder / ".venv"
        self._folder = folder
        self._calls = folder / "calls"
        (folder / "scripts").mkdir()
        (folder / "scripts" / "setup").write_bytes((ROOT / "scripts" / "setup").read_bytes())
        (folder / "requirements.lock").write_text("")
        for name in ("python3", "other"):
            path = folder / name
            path.write_text(PYTHON)
            path.chmod(0o755)

    def setup(self, project: str, **environ: str) -> list[str]:
        """Set up with this text in pyproject.toml; return the calls, without those that look."""
        (self._folder / "pyproject.toml").write_text(project)
        self._calls.write_text("")
        environ |= {"PATH": f"{self._folder}:{os.defpath}", "CALLS": str(self._calls)}
        command = ["sh", str(self._folder / "scripts" / "setup")]
        subprocess.run(command, env=environ, check=True, timeout=60, capture_output=True)
        return [call for call in self._calls.read_text().splitlines() if " -c " not in call]

    @property
    def other(self) -> str:
        return str(self._folder / "other")


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


def test_it_is_set_up_once_for_what_is_pinned(clone: Clone) -> None:
    made, *installed = clone.setup("one")
    assert made == "python3 -m venv .venv"
    assert [call.split()[0] for call in installed] == [".venv"] * 3
    assert clone.setup("one") == []


def test_an_environment_keeps_its_python_when_it_is_brought_up_to_date(clone: Clone) -> None:
    clone.setup("one", PYTHON=clone.other)
    assert [call.split()[0] for call in clone.setup("two")] == [".venv"] * 3


def test_another_python_that_is_named_gets_an_environment_of_its_own(clone: Clone) -> None:
    clone.setup("one")
    assert clone.setup("two", PYTHON=clone.other)[0] == "other -m venv --clear .venv"


def test_an_environment_whose_python_is_gone_is_created_anew(clone: Clone) -> None:
    clone.setup("one")
    (clone.environment / "bin" / "python").unlink()
    assert clone.setup("two")[0] == "python3 -m venv --clear .venv"
