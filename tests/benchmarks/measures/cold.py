"""`tracebot run -- COMMAND`: until the command starts, and the whole, as processes.

The command is `date`, which says when it ran: its own start is counted as ours. All processes, also
the peers, are those of a plain install.
"""

import os
import subprocess
import time
from collections.abc import Iterator, Sequence

from tests.benchmarks.figure import Figure
from tests.benchmarks.plain_install import plain_install
from tests.benchmarks.run import Run, milliseconds


def measure(run: Run) -> Iterator[Figure]:
    installed = plain_install(run)
    tracebot, python = str(installed / "tracebot"), str(installed / "python")
    with run.folder() as folder:
        environ = {**os.environ, "TRACEBOT_DATABASE_URL": str(folder / "t.db")}

        def whole(*command: str) -> float:
            return milliseconds(
                lambda: subprocess.run(command, env=environ, check=True), times=run.count(5)
            )

        whole(tracebot, "run", "--", "true")  # Makes the database.
        child, bare, all_of_it, peewee = run.medians(
            lambda: _until_started((tracebot, "run", "--", "date", "+%s%N"), environ),
            lambda: whole(python, "-c", "pass"),
            lambda: whole(tracebot, "run", "--", "true"),
            lambda: whole(python, "-c", "import peewee"),
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
        at_most=90,
    )


def _until_started(command: Sequence[str], environ: dict[str, str]) -> float:
    started = time.time_ns()
    printed = subprocess.run(command, env=environ, check=True, capture_output=True).stdout
    return (int(printed) - started) / 1e6
