"""Bytes per span on disk, with summaries and rollups, against the rows and their indexes alone."""

from collections.abc import Iterator

from tests.benchmarks.databases import bare_database, our_database
from tests.benchmarks.figure import Figure
from tests.benchmarks.run import Run


def measure(run: Run) -> Iterator[Figure]:
    mine = our_database(run, run.big).stat().st_size / run.big
    bare = bare_database(run, run.big).stat().st_size / run.big
    yield Figure(
        name="size",
        ours=mine,
        theirs=bare,
        unit="bytes",
        peer="the span rows with the same indexes",
        ratio_at_most=1.2,
    )
