"""Memory held while 100,000 spans arrive at once, and whether all of them are stored."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from storage import Observability
from storage.database.models import SpanRow
from tests.benchmarks.figure import Figure
from tests.benchmarks.measures.caller import ATTRIBUTES
from tests.benchmarks.run import Run, answer, in_process

SPANS = 100_000


def measure(run: Run) -> Iterator[Figure]:
    spans = run.count(SPANS)
    stored = []

    def megabytes() -> float:
        with run.folder() as folder:
            found = answer(in_process(__name__, folder / "t.db", spans))
        stored.append(found["stored"])
        return float(found["megabytes"])

    (held,) = run.medians(megabytes)
    yield Figure(name="burst, memory", ours=held, unit="MB", at_most=200)
    yield Figure(name="burst, stored", ours=min(stored), unit="spans", at_least=spans)


def main(path: str, spans: int) -> None:
    with Observability.open(path, platform="cli") as recording:
        with recording.span("first"):
            pass
        recording.flush(10)
        idle = _resident("VmRSS")
        for _ in range(spans):
            with recording.span("invoke_agent claude", **ATTRIBUTES):
                pass
        recording.flush(300)
        held = _resident("VmHWM") - idle
        stored = SpanRow.select().count(recording.database) - 1
        recording.database.close()
    print(json.dumps({"megabytes": held, "stored": stored}))  # noqa: T201


def _resident(what: str) -> float:
    """Return megabytes: `VmRSS` is the current value, `VmHWM` the peak. Linux, proc(5)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == what:
            return int(value.split()[0]) / 1_000
    raise RuntimeError(f"/proc/self/status does not say {what}.")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
