"""Ours: the recording API, and the queries behind `/trace` and `tracebot`."""

import sys
import time
from pathlib import Path
from typing import Any

from answering import later, per_span, read_traces, resident, serve, timed

from storage import Observability
from storage.database.models import SpanRow
from storage.queries.lookups import traces_by_id
from storage.queries.statistics import statistics
from storage.queries.traces import recent_traces, trace_spans
from storage.tracing.active_span import ActiveSpan
from storage.upkeep.checkpoint import checkpoint


class Ours:
    def __init__(self, folder: Path) -> None:
        self.recording = Observability.open(folder / "t.db", platform="cli")
        self.database = self.recording.database
        self.traces: list[str] = []
        with self.recording.span("first"):
            pass
        assert self.recording.flush(30)
        assert recent_traces(self.database).traces

    def caller(self, name: str, attributes: dict[str, Any], spans: int) -> dict[str, float]:
        def span() -> None:
            with self.recording.span(name, **attributes):
                pass

        found = per_span(span, spans=spans)
        assert self.recording.flush(60)
        return found

    def load(self, path: str) -> float:
        """Return seconds until all can be read, including the caller's cost."""
        loaded = read_traces(path)
        expected = self._count() + sum(map(len, loaded))
        started = time.perf_counter()
        for trace in loaded:
            self._record(trace)
        assert self.recording.flush(120)
        took = time.perf_counter() - started
        assert self._count() == expected, "Some were lost."
        self.traces += [trace[0]["trace_id"] for trace in loaded]
        return took

    def list(self, times: int) -> dict[str, float]:
        return timed(
            lambda: len(recent_traces(self.database, limit=20, skipped=True).traces), times=times
        )

    def trace(self, number: int, times: int) -> dict[str, float]:
        def show() -> int:
            (found,) = traces_by_id(self.database, self.traces[number])
            return len(trace_spans(self.database, found.trace_id))

        return timed(show, times=times)

    def stats(self, since: int, until: int, times: int) -> dict[str, float]:
        moments = later(until)

        def by_agent() -> int:
            found = statistics(self.database, since=since, until=next(moments), by="agent").groups
            assert all(group.p95_ns is not None for group in found)
            return sum(group.traces for group in found)

        return timed(by_agent, times=times)

    def resident(self) -> float:
        return resident()

    def close(self) -> None:
        self.recording.close()
        checkpoint(self.database, "truncate")
        self.database.close()

    def _count(self) -> int:
        return int(SpanRow.select().count(self.database))

    def _record(self, trace: Any) -> None:
        """Each span begins after its parent and ends before it."""
        active: dict[str | None, ActiveSpan] = {}
        for span in trace:
            active[span["span_id"]] = self.recording.start_span(
                span["name"],
                span["attributes"],
                kind=span["kind"],
                parent=active.get(span["parent_id"]),
                ids=(span["trace_id"], span["span_id"]),
                started_at=span["started_at"],
            )
        for span in reversed(trace):
            ended = active[span["span_id"]]
            ended.status = span["status"]
            ended.end(span["ended_at"])


if __name__ == "__main__":
    ours = Ours(Path(sys.argv[1]))
    serve(ours)
    ours.close()
