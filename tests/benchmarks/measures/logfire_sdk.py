"""On demand: a span's cost to its caller in Logfire's SDK."""

from collections.abc import Iterator

from tests.benchmarks.figure import Figure
from tests.benchmarks.peers.compare import Peer, compare_caller
from tests.benchmarks.run import Run

ON_DEMAND = True

PEER = Peer(
    name="logfire-sdk",
    title="Logfire SDK 5.4.0",
    requirements=("logfire==5.4.0",),
    script="of_logfire.py",
    goals={"caller": 0.1, "caller, CPU": 0.1},
    ways={"caller": "sending to a server on loopback that takes everything"},
)


def measure(run: Run) -> Iterator[Figure]:
    return compare_caller(run, PEER)
