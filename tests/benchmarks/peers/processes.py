"""Processes that always end with their block, and the queries that a driver answers."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

DRIVERS = Path(__file__).parent / "drivers"
SECONDS = 600
"""The longest time that a driver may take, from its start to its end."""
NOWHERE = "http://127.0.0.1:9"
"""Nothing listens on the discard port, so requests to other hosts fail."""


@contextmanager
def group(
    command: Sequence[str | Path], *, env: Mapping[str, str], within: float, **options: Any
) -> Iterator[subprocess.Popen[str]]:
    """Yield a process; end it and its children after *within* seconds or with the block."""
    process = subprocess.Popen(command, env=env, start_new_session=True, text=True, **options)
    deadline = threading.Timer(within, _end, (process,))
    deadline.daemon = True
    deadline.start()
    try:
        yield process
    finally:
        deadline.cancel()
        _end(process)
        process.wait()
        for pipe in filter(None, (process.stdin, process.stdout)):
            with suppress(BrokenPipeError):
                pipe.close()


def _end(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


class Driver:
    """The client of a script in `drivers/`: a query is a line of JSON, and so is its answer.

    It says that it is ready when its recorder could be asked for a first span.
    """

    def __init__(self, process: subprocess.Popen[str], *, complaints: Path) -> None:
        self._process = process
        self._complaints = complaints
        self._answer()

    def ask(self, question: str, **details: object) -> Any:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # No answer will come: that says more.
            self._process.stdin.write(json.dumps({"ask": question, **details}) + "\n")
            self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """Send no more queries, and wait until the driver has cleaned up and ended."""
        self._process.communicate()
        if self._process.returncode:
            raise self._failure()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._failure()
        return json.loads(line)

    def _failure(self) -> RuntimeError:
        said = self._complaints.read_text(errors="replace")[-2_000:]
        return RuntimeError(f"{self._process.args!r} failed, or took too long:\n{said}")


@contextmanager
def driver(python: Path, script: str, folder: Path, *arguments: str) -> Iterator[Driver]:
    """Yield a driver in an empty folder, the only files of the user that it can find."""
    environ = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "NO_PROXY": "127.0.0.1",
        "HTTP_PROXY": NOWHERE,
        "HTTPS_PROXY": NOWHERE,
    }
    complaints = folder.with_suffix(".stderr")
    with (
        complaints.open("w") as stderr,
        group(
            [python, DRIVERS / script, folder, *arguments],
            env=environ,
            within=SECONDS,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
        ) as process,
    ):
        driven = Driver(process, complaints=complaints)
        yield driven
        driven.close()
