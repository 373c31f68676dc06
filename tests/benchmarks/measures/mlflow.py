"""On demand: the same traces in MLflow, with a SQLite store in the process."""

from collections.abc import Iterator

from tests.benchmarks.figure import Figure
from tests.benchmarks.peers.compare import Peer, compare
from tests.benchmarks.run import Run

ON_DEMAND = True

PEER = Peer(
    name="mlflow",
    title="MLflow 3.17.2",
    requirements=("mlflow==3.17.2",),
    script="of_mlflow.py",
    spans=2_000,
    goals={"until readable": 400, "size": 0.35},
    ways={
        "until readable": "its SDK, asynchronous, never more than its queue holds",
        "list": "search_traces without spans",
        "stats": "query_trace_metrics of spans by name, which has the agent in it",
    },
)


def measure(run: Run) -> Iterator[Figure]:
    return compare(run, PEER)
