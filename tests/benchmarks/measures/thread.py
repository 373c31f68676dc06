"""All turns of one thread, and the turn of one message, at 1,000,000 spans against 10,000."""

from collections.abc import Iterator

from peewee import Database

from storage.model.filters import Filters
from storage.queries.lookups import message_traces, thread_traces
from storage.queries.traces import TraceSummary, recent_traces
from tests.benchmarks.figure import Figure
from tests.benchmarks.growth import growth
from tests.benchmarks.run import Run


def measure(run: Run) -> Iterator[Figure]:
    def a_turn(database: Database) -> TraceSummary:
        return recent_traces(database, filters=Filters(agent="claude"), limit=40).traces[-1]

    def thread(database: Database, turn: TraceSummary) -> None:
        assert thread_traces(database, channel=str(turn.channel), thread_ts=str(turn.thread_ts))

    def message(database: Database, turn: TraceSummary) -> None:
        assert message_traces(database, channel=str(turn.channel), message_ts=str(turn.message_ts))

    yield growth(run, "thread", thread, given=a_turn)
    yield growth(run, "thread, by message", message, given=a_turn)
