"""What every driver does: it answers questions, a line of JSON each, until there are no more.

Drivers run in the environments of their recorders: they need the standard library, their
recorder, and this file beside them.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # What a library prints is no answer.
SECONDS = count(1)


def serve(recorder: object) -> None:
    """Say that the recorder is ready, then answer by its methods. What raises ends the driver."""
    _say(True)
    for line in sys.stdin:
        question = json.loads(line)
        _say(getattr(recorder, question.pop("ask"))(**question))


def timed(work: Callable[[], int], *, times: int) -> dict[str, float]:
    """The median of the milliseconds that `work` takes, and how much it found."""
    found, took = 0, []
    for _ in range(times):
        started = time.perf_counter_ns()
        found = work()
        took.append((time.perf_counter_ns() - started) / 1e6)
    return {"ms": statistics.median(took), "found": found}


def per_span(span: Callable[[], None], *, spans: int) -> dict[str, float]:
    """Microseconds that a span costs its caller: how long it waits, and its thread's own work.

    The first has in it what background threads and other processes take from the caller.
    """
    started, worked = time.perf_counter_ns(), time.thread_time_ns()
    for _ in range(spans):
        span()
    worked, waited = time.thread_time_ns() - worked, time.perf_counter_ns() - started
    return {"waited": waited / spans / 1_000, "worked": worked / spans / 1_000}


def read_traces(path: str) -> list[list[dict[str, Any]]]:
    """The traces that the harness wrote: lists of spans, parents before their children."""
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def resident(process: int | None = None) -> float:
    """Megabytes of memory that a process holds, this one if none is named. Linux, proc(5)."""
    for line in Path(f"/proc/{process or 'self'}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1_000
    raise RuntimeError("/proc does not say VmRSS.")


def later(moment: int) -> Iterator[int]:
    """Moments after this one, a second apart, none of which was given before.

    The last 24 hours are others each time: an answer that is kept for the same period is no use.
    """
    return (moment + next(SECONDS) * 1_000_000_000 for _ in count())


def wait_until(true: Callable[[], bool], *, seconds: float) -> None:
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            raise TimeoutError(f"not within {seconds} s.")
        time.sleep(0.02)


def _say(answer: object) -> None:
    ANSWERS.write(json.dumps(answer) + "\n")
    ANSWERS.flush()
