"""The part that all drivers share: answer queries, one line of JSON each, until there are no more.

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
    """Report that the recorder is ready, then answer with its methods until one raises."""
    _say(True)
    for line in sys.stdin:
        question = json.loads(line)
        _say(getattr(recorder, question.pop("ask"))(**question))


def timed(work: Callable[[], int], *, times: int) -> dict[str, float]:
    """Return the median time of *work* in milliseconds, and how much it found."""
    found, took = 0, []
    for _ in range(times):
        started = time.perf_counter_ns()
        found = work()
        took.append((time.perf_counter_ns() - started) / 1e6)
    return {"ms": statistics.median(took), "found": found}


def per_span(span: Callable[[], None], *, spans: int) -> dict[str, float]:
    """Return microseconds per span: how long the caller waits, and its thread's CPU time.

    The first has in it what background threads and other processes take from the caller.
    """
    started, worked = time.perf_counter_ns(), time.thread_time_ns()
    for _ in range(spans):
        span()
    worked, waited = time.thread_time_ns() - worked, time.perf_counter_ns() - started
    return {"waited": waited / spans / 1_000, "worked": worked / spans / 1_000}


def read_traces(path: str) -> list[list[dict[str, Any]]]:
    """Yield the traces of the benchmarks: lists of spans, parents before their children."""
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def resident(process: int | None = None) -> float:
    """Return the megabytes that a process holds, by default this one. Linux, proc(5)."""
    for line in Path(f"/proc/{process or 'self'}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1_000
    raise RuntimeError("/proc does not say VmRSS.")


def later(moment: int) -> Iterator[int]:
    """Return moments after this one, a second apart, none of which was returned before.

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
