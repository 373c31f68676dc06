"""One trace with its spans, by its id and by a prefix, at 1,000,000 spans against 10,000."""

from collections.abc import Iterator

from peewee import Database

from storage.model.filters import Filters
from storage.queries.lookups import traces_by_id
from storage.queries.traces import recent_traces, trace_spans
from tests.benchmarks.figure import Figure
from tests.benchmarks.growth import growth
from tests.benchmarks.run import Run


def measure(run: Run) -> Iterator[Figure]:
    def show(database: Database, trace_id: str, *, digits: int = 32) -> None:
        (found,) = traces_by_id(database, trace_id[:digits])
        assert trace_spans(database, found.trace_id)

    def an_id(database: Database) -> str:
        return (
            recent_traces(database, filters=Filters(agent="claude"), limit=40).traces[-1].trace_id
        )

    yield growth(run, "trace", show, given=an_id)
    yield growth(run, "trace, by prefix", lambda *given: show(*given, digits=16), given=an_id)
