"""`tracebot ls` on 1,000,000 spans, the whole process, in a plain install."""

import os
import subprocess
from collections.abc import Iterator

from tests.benchmarks.databases import our_database
from tests.benchmarks.figure import Figure
from tests.benchmarks.plain_install import plain_install
from tests.benchmarks.run import Run, milliseconds


def measure(run: Run) -> Iterator[Figure]:
    tracebot = str(plain_install(run) / "tracebot")
    environ = {**os.environ, "TRACEBOT_DATABASE_URL": str(our_database(run, run.big))}

    def list_traces() -> float:
        return milliseconds(
            lambda: subprocess.run(
                (tracebot, "ls"), env=environ, check=True, stdout=subprocess.DEVNULL
            ),
            times=run.count(5),
        )

    (whole,) = run.medians(list_traces)
    yield Figure(name="cold-ls", ours=whole, unit="ms", at_most=130)
