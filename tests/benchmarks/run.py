"""How much a benchmark does, and the medians of rounds that take turns."""

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
    """A benchmark needs what is not there; the message says what, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a benchmark is given. The tests give a small one, to see that each still runs."""

    cache: Path
    """Where big databases stay from one run to the next."""
    rounds: int = 5
    small: int = 10_000
    big: int = 1_000_000
    """Spans in the two databases that questions are asked of."""
    share: float = 1.0
    """Of the usual amount of work."""
    note: Callable[[str], object] = lambda text: None
    """Hears what is going on."""

    def count(self, usual: int) -> int:
        """How often to do something that is usually done `usual` times."""
        return max(int(usual * self.share), 1)

    def medians(self, *measured: Callable[[], float]) -> list[float]:
        """Measure each in turn, `rounds` times: what disturbs the machine disturbs all of them."""
        values: list[list[float]] = [[] for _ in measured]
        for turn in range(self.rounds):
            self.note(f"round {turn + 1} of {self.rounds}")
            for found, measure in zip(values, measured, strict=True):
                found.append(measure())
        return [statistics.median(found) for found in values]

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """An empty folder on the disk of the cache, for the length of a benchmark."""
        self.cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.cache) as name:
            yield Path(name)


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of all do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def in_process(module: str, *arguments: object) -> subprocess.Popen[str]:
    """`python -m module arguments`, a process of its own; what it prints is for `answer`."""
    paths = (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", ""))
    return subprocess.Popen(
        [sys.executable, "-m", module, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def answer(process: subprocess.Popen[str]) -> Any:
    """The JSON that a process printed before it ended."""
    printed, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{process.args!r} failed: see its message above.")
    return json.loads(printed)


def milliseconds(work: Callable[[], object], *, times: int = 1) -> float:
    """How long `work` takes; the median of `times`."""
    took = []
    for _ in range(times):
        started = time.perf_counter_ns()
        work()
        took.append((time.perf_counter_ns() - started) / 1e6)
    return statistics.median(took)
