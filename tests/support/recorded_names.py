"""Look at what other threads and processes recorded."""

import subprocess
import sys
import time
from collections.abc import Callable

from peewee import Database

from storage.database.models import SpanRow

WITHIN_S = 20.0
"""How long a test waits for what happens soon, on a busy machine."""


def names(database: Database) -> list[str]:
    """Return the names of the stored spans, by their start."""
    query = SpanRow.select(SpanRow.name).order_by(SpanRow.started_at)
    return [name for (name,) in query.tuples().execute(database)]


def until(condition: Callable[[], bool]) -> bool:
    """Wait until the condition holds; return False if it does not."""
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def run(script: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run a script of Python in a process."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
