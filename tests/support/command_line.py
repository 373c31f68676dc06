"""Commands that run in the process of a test: most of the time of another process is its start."""

import subprocess
from contextlib import redirect_stderr, redirect_stdout
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from bot.cli import main


def run_here(
    db_path: Path | str, *words: str, cwd: Path = Path("/")
) -> subprocess.CompletedProcess[str]:
    """Run a command as a process in the folder *cwd* would."""
    out, err = (TextIOWrapper(BytesIO(), encoding="utf-8") for _ in range(2))
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setenv("TRACEBOT_DATABASE_URL", str(db_path))
        patch.chdir(cwd)
        code = main.tracebot(list(words))
    for stream in (out, err):
        stream.seek(0)
    return subprocess.CompletedProcess(words, code, out.read(), err.read())
