"""Disk that the statistics of 30 days take by day, and for ever by month, against unfolded ones."""

from collections.abc import Iterator
from pathlib import Path

from storage.database.shared_file import SharedDatabase
from storage.database.transactions import transaction
from storage.model.retention import Folding
from storage.recovery.opening import open_database
from storage.upkeep.folding import fold
from tests.benchmarks.databases import our_database
from tests.benchmarks.figure import Figure
from tests.benchmarks.run import Run
from tests.benchmarks.traces import DAY, DAYS, NOW

AGES = Folding()
MONTH = 31 * DAY


def measure(run: Run) -> Iterator[Figure]:
    source = our_database(run, run.big)
    with run.folder() as folder:
        database = open_database(folder / "kept.db")
        database.execute_sql("ATTACH DATABASE ? AS source", (str(source),))
        with transaction(database):
            database.execute_sql("INSERT INTO rollups SELECT * FROM source.rollups")
        database.execute_sql("DETACH DATABASE source")
        before = _megabytes(database, folder / "before.db")
        fold(database, AGES, now=NOW + AGES.hours_ns + DAY)
        by_day = _megabytes(database, folder / "days.db")
        fold(database, AGES, now=NOW + AGES.days_ns + MONTH)
        by_month = _megabytes(database, folder / "months.db")
        database.close()
    peer = f"the statistics of {DAYS} days by hour and by day"
    for name, size, most in (("kept, by day", by_day, None), ("kept, by month", by_month, 8)):
        yield Figure(name=name, ours=size, theirs=before, unit="MB", peer=peer, at_most=most)


def _megabytes(database: SharedDatabase, copy: Path) -> float:
    """Return the size of a copy without the pages that folding has left free."""
    database.execute_sql("VACUUM INTO ?", (str(copy),))
    return copy.stat().st_size / 1_000_000
