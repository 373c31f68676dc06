"""The same query on a big database and on a small one."""

from collections.abc import Callable
from typing import Any

from peewee import Database

from storage.database.connect import connect
from tests.benchmarks.databases import our_database
from tests.benchmarks.figure import Figure
from tests.benchmarks.run import Run, milliseconds

TIMES = 20


def growth(
    run: Run,
    name: str,
    ask: Callable[..., object],
    *,
    given: Callable[[Database], Any] | None = None,
    at_most: float = 5.0,
) -> Figure:
    """Measure `ask(database)` or `ask(database, given(database))` in milliseconds.

    A first, untimed question fills the caches of both: what is measured is the work, not the disk.
    """
    run.note(name)
    asked = []
    databases = [connect(our_database(run, spans)) for spans in (run.big, run.small)]
    for database in databases:
        more = (given(database),) if given else ()
        ask(database, *more)
        asked.append(lambda database=database, more=more: ask(database, *more))
    big, small = run.medians(
        *(lambda work=work: milliseconds(work, times=run.count(TIMES)) for work in asked)
    )
    for database in databases:
        database.close()
    return Figure(
        name=name,
        ours=big,
        theirs=small,
        unit="ms",
        peer=f"the same at {run.small:,} spans",
        ratio_at_most=1.5,
        at_most=at_most,
    )
