"""MLflow: its tracing SDK in this process, storing into SQLite as it does by default (async)."""

import os
import sys
import time
from pathlib import Path
from typing import Any

from answering import later, per_span, read_traces, resident, serve, timed

os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}

import mlflow
from mlflow.entities.trace_metrics import AggregationType, MetricAggregation, MetricViewType
from mlflow.tracking._tracking_service.utils import _get_store

COUNT = [MetricAggregation(AggregationType.COUNT)]
PERCENTILES = [MetricAggregation(AggregationType.PERCENTILE, rank) for rank in (50.0, 95.0, 99.0)]


class OfMlflow:
    def __init__(self, folder: Path) -> None:
        mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
        self.experiment = mlflow.set_experiment("bench").experiment_id
        self.traces: list[str] = []
        with mlflow.start_span("first"):
            pass
        mlflow.flush_trace_async_logging()
        assert self._search(20)

    def caller(self, name: str, attributes: dict[str, Any], spans: int) -> dict[str, float]:
        def span() -> None:
            with mlflow.start_span(name, attributes=attributes):
                pass

        found = per_span(span, spans=spans)
        mlflow.flush_trace_async_logging()
        return found

    def load(self, path: str) -> float:
        """Return seconds until all can be read, including the caller's cost."""
        loaded = read_traces(path)
        before = len(self._search(100_000))
        started = time.perf_counter()
        self.traces += map(_record, loaded)
        mlflow.flush_trace_async_logging()
        took = time.perf_counter() - started
        assert len(self._search(100_000)) == before + len(loaded), "MLflow dropped some."
        return took

    def list(self, times: int) -> dict[str, float]:
        return timed(lambda: len(self._search(20)), times=times)

    def trace(self, number: int, times: int) -> dict[str, float]:
        return timed(lambda: len(mlflow.get_trace(self.traces[number]).data.spans), times=times)

    def stats(self, since: int, until: int, times: int) -> dict[str, float]:
        """Group by span name, which contains the agent: there is no dimension for agents."""
        moments = later(until)

        def by_agent() -> int:
            ends = next(moments) // 1_000_000
            counts, latencies = (
                _get_store().query_trace_metrics(
                    experiment_ids=[self.experiment],
                    view_type=MetricViewType.SPANS,
                    metric_name=metric,
                    aggregations=aggregations,
                    dimensions=["span_name"],
                    start_time_ms=since // 1_000_000,
                    end_time_ms=ends,
                )
                for metric, aggregations in (("span_count", COUNT), ("latency", PERCENTILES))
            )
            assert all("P95.0" in point.values for point in latencies)
            return sum(
                int(point.values["COUNT"])
                for point in counts
                if point.dimensions["span_name"].startswith("invoke_agent ")
            )

        return timed(by_agent, times=times)

    def resident(self) -> float:
        return resident()

    def _search(self, results: int) -> Any:
        return mlflow.search_traces(
            locations=[self.experiment],
            max_results=results,
            order_by=["timestamp_ms DESC"],
            include_spans=False,
            return_type="list",
        )


def _record(trace: list[dict[str, Any]]) -> str:
    """Record a trace and return its id. Each span begins after its parent and ends before it."""
    active: dict[str | None, Any] = {}
    for span in trace:
        active[span["span_id"]] = mlflow.start_span_no_context(
            span["name"],
            parent_span=active.get(span["parent_id"]),
            attributes=span["attributes"],
            start_time_ns=span["started_at"],
        )
    for span in reversed(trace):
        failed = span["status"] in ("error", "timeout")
        active[span["span_id"]].end(
            status="ERROR" if failed else "OK", end_time_ns=span["ended_at"]
        )
    return str(active[trace[0]["span_id"]].trace_id)


if __name__ == "__main__":
    serve(OfMlflow(Path(sys.argv[1])))
