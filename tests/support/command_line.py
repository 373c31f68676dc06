"""Run commands in a process, or in that of the test: starting one takes most of the time."""

import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from bot.cli import main

TRACEBOT = str(Path(sys.executable).with_name("tracebot"))


def tracebot(
    db_path: Path, *words: str, environ: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own."""
    return subprocess.run(
        [TRACEBOT, *words],
        env={**os.environ, "TRACEBOT_DATABASE_URL": str(db_path), **(environ or {})},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


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
