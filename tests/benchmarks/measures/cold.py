"""`tracebot run -- COMMAND`: until the command starts, and the whole, as processes.

The command is `date`, which says when it ran: its own start is counted as ours.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.benchmarks.figure import Figure
from tests.benchmarks.run import Run, milliseconds

TRACEBOT = str(Path(sys.executable).with_name("tracebot"))


def measure(run: Run) -> Iterator[Figure]:
    with run.folder() as folder:
        environ = {**os.environ, "TRACEBOT_DATABASE_URL": str(folder / "t.db")}

        def whole(*command: str) -> float:
            return milliseconds(
                lambda: subprocess.run(command, env=environ, check=True), times=run.count(5)
            )

        whole(TRACEBOT, "run", "--", "true")  # Makes the database.
        child, bare, all_of_it, peewee = run.medians(
            lambda: _until_started((TRACEBOT, "run", "--", "date", "+%s%N"), environ),
            lambda: whole(sys.executable, "-c", "pass"),
            lambda: whole(TRACEBOT, "run", "--", "true"),
            lambda: whole(sys.executable, "-c", "import peewee"),
        )
    yield Figure(
        name="cold, until the command starts",
        ours=child,
        theirs=bare,
        unit="ms",
        peer="python -c pass",
        ratio_at_most=3,
        at_most=60,
    )
    yield Figure(
        name="cold, the whole",
        ours=all_of_it,
        theirs=peewee,
        unit="ms",
        peer='python -c "import peewee"',
        ratio_at_most=1.6,
    )


def _until_started(command: Sequence[str], environ: dict[str, str]) -> float:
    started = time.time_ns()
    printed = subprocess.run(command, env=environ, check=True, capture_output=True).stdout
    return (int(printed) - started) / 1e6
