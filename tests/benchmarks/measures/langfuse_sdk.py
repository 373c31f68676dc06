"""On demand: a span's cost to its caller in Langfuse's SDK."""

from collections.abc import Iterator

from tests.benchmarks.figure import Figure
from tests.benchmarks.peers.compare import Peer, compare_caller
from tests.benchmarks.run import Run

ON_DEMAND = True

PEER = Peer(
    name="langfuse-sdk",
    title="Langfuse SDK 5.0.4",
    requirements=("langfuse==5.0.4",),
    script="of_langfuse.py",
    goals={"caller": 0.1, "caller, CPU": 0.1},
    ways={"caller": "sending to a server on loopback that takes everything"},
)


def measure(run: Run) -> Iterator[Figure]:
    return compare_caller(run, PEER)
