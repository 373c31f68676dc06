"""The amount of work of a benchmark, and medians of alternating rounds."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class Unavailable(Exception):
    """A benchmark lacks something that it needs; the message says what, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The parameters of a benchmark. Tests use a small run to check that each one still works."""

    cache: Path
    """Holds big databases from one run to the next."""
    rounds: int = 5
    small: int = 10_000
    big: int = 1_000_000
    """Spans in the two databases that are queried."""
    share: float = 1.0
    """The fraction of the usual amount of work to do."""
    note: Callable[[str], object] = lambda text: None
    """Called with progress messages."""

    def count(self, usual: int) -> int:
        """Return how often to do something that is usually done *usual* times."""
        return max(int(usual * self.share), 1)

    def medians(self, *measured: Callable[[], float]) -> list[float]:
        """Measure each in turn, `rounds` times: other work on the machine affects all of them."""
        values: list[list[float]] = [[] for _ in measured]
        for turn in range(self.rounds):
            self.note(f"round {turn + 1} of {self.rounds}")
            for found, measure in zip(values, measured, strict=True):
                found.append(measure())
        return [statistics.median(found) for found in values]

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Yield an empty folder on the cache's disk."""
        self.cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.cache) as name:
            yield Path(name)


def percentile(values: list[float], share: float) -> float:
    """Return the value that *share* of all values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def in_process(module: str, *arguments: object) -> subprocess.Popen[str]:
    """Start `python -m module arguments`; `answer` reads what it prints."""
    paths = (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", ""))
    return subprocess.Popen(
        [sys.executable, "-m", module, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def answer(process: subprocess.Popen[str]) -> Any:
    """Wait for a process and return the JSON that it printed."""
    printed, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{process.args!r} failed: see its message above.")
    return json.loads(printed)


def milliseconds(work: Callable[[], object], *, times: int = 1) -> float:
    """Return how long *work* takes; the median of *times* runs."""
    took = []
    for _ in range(times):
        started = time.perf_counter_ns()
        work()
        took.append((time.perf_counter_ns() - started) / 1e6)
    return statistics.median(took)
