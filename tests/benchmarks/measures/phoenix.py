"""On demand: the same traces in Phoenix, a server with a SQLite database."""

from collections.abc import Iterator

from tests.benchmarks.figure import Figure
from tests.benchmarks.peers.compare import Peer, compare
from tests.benchmarks.run import Run

ON_DEMAND = True

PEER = Peer(
    name="phoenix",
    title="Phoenix 20.26.1",
    requirements=("arize-phoenix==20.26.1",),
    script="of_phoenix.py",
    spans=5_000,
    goals={"until readable": 400, "list": 1 / 20, "stats": 1 / 20, "size": 0.8},
    ways={
        "caller": "its SDK, in batches to a server on loopback that takes everything",
        "until readable": "OTLP over HTTP, requests of 512 spans made before",
        "list": "GraphQL over HTTP",
        "trace": "GraphQL over HTTP",
        "stats": "GraphQL over HTTP, one request with a filter for each of six agents",
    },
)


def measure(run: Run) -> Iterator[Figure]:
    return compare(run, PEER)
