"""Ask ours and a peer the same queries in turn, so that other work on the machine affects both."""

import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks.figure import Figure
from tests.benchmarks.measures.caller import ATTRIBUTES
from tests.benchmarks.peers.day import SINCE, UNTIL, write_day
from tests.benchmarks.peers.environment import python_of
from tests.benchmarks.peers.processes import Driver, driver
from tests.benchmarks.peers.receiver import Receiver, receiver
from tests.benchmarks.run import Run

CALLED = 200
"""Spans per measurement of the caller's cost: few enough that no queue is full."""
TIMES = 5
"""How often each query runs in a round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A recorder to compare with. `goals` are limits on the ratio of ours to theirs, by figure."""

    name: str
    title: str
    requirements: tuple[str, ...]
    """Pinned requirements; the first one is the peer's own package."""
    script: str
    """A module of `drivers/`."""
    spans: int = 0
    """The number of spans to load, so that theirs take about a minute."""
    goals: dict[str, float] = field(default_factory=dict)
    ways: dict[str, str] = field(default_factory=dict)
    """What answers each figure's query."""

    def figure(self, what: str, ours: float, theirs: float, unit: str) -> Figure:
        way = self.ways.get(what)
        more_is_better = unit.endswith("/s")
        goal = self.goals.get(what, 1.0)
        return Figure(
            name=f"{self.name}, {what}",
            ours=ours,
            theirs=theirs,
            unit=unit,
            peer=f"{self.title}: {way}" if way else self.title,
            ratio_at_least=goal if more_is_better else None,
            ratio_at_most=None if more_is_better else goal,
        )


class Comparison:
    """One run: ours first, then theirs, each in its own folder and process."""

    def __init__(self, run: Run, peer: Peer, folder: Path, receiver: Receiver) -> None:
        self._run = run
        self._peer = peer
        self._folder = folder
        self._receiver = receiver
        python = python_of(peer.requirements, note=run.note)
        self._sides = {
            "ours": (Path(sys.executable), "ours.py"),
            "theirs": (python, peer.script),
        }
        self.starts: tuple[list[float], list[float]] = ([], [])
        """Seconds from an empty folder until a first span can be read, ours and theirs."""
        self.loaded = 0
        """Spans in each."""

    @contextmanager
    def started(self, name: str) -> Iterator[tuple[Driver, Driver]]:
        """Start both drivers, each with an empty folder."""
        with ExitStack() as stack:
            drivers = []
            for (side, (python, script)), starts in zip(
                self._sides.items(), self.starts, strict=True
            ):
                self._run.note(f"starting {script}")
                started = time.perf_counter()
                place = self._folder / f"{name}-{side}"
                place.mkdir()
                drivers.append(
                    stack.enter_context(driver(python, script, place, self._receiver.url))
                )
                starts.append(time.perf_counter() - started)
            yield drivers[0], drivers[1]

    def sizes(self, name: str) -> list[int]:
        """Return the bytes in both folders."""
        return [
            sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
            for place in (self._folder / f"{name}-{side}" for side in self._sides)
        ]

    def caller(self, both: tuple[Driver, Driver]) -> Iterator[Figure]:
        """Return microseconds per span: how long its caller waits, and its CPU time."""
        called = {"name": "invoke_agent claude", "attributes": ATTRIBUTES}
        found: list[list[dict[str, float]]] = [[], []]
        for _ in range(self._run.rounds + 1):
            for each, costs in zip(both, found, strict=True):
                costs.append(each.ask("caller", **called, spans=self._run.count(CALLED)))
        for what, key in (("caller", "waited"), ("caller, CPU", "worked")):
            # The first round includes one-time work.
            medians = [statistics.median(cost[key] for cost in costs[1:]) for costs in found]
            yield self._peer.figure(what, *medians, "µs")

    def load(self, both: tuple[Driver, Driver]) -> list[float]:
        """Spans a second."""
        rates: tuple[list[float], list[float]] = ([], [])
        day = write_day(
            self._folder, spans=self._run.count(self._peer.spans), parts=self._run.rounds
        )
        for path, spans in day:
            for each, found in zip(both, rates, strict=True):
                self._run.note(f"{spans:,} spans of {path.stem} into each")
                found.append(spans / each.ask("load", path=str(path)))
            self.loaded += spans
        return [statistics.median(found) for found in rates]

    def asked(self, both: tuple[Driver, Driver], question: str, **details: Any) -> list[float]:
        """Return milliseconds. Raise if the answers differ: the queries would not be the same."""
        found: list[list[dict[str, float]]] = [[], []]
        for _ in range(self._run.rounds):
            self._run.note(question)
            for each, answers in zip(both, found, strict=True):
                answers.append(each.ask(question, times=self._run.count(TIMES), **details))
        ours, theirs = ({answer["found"] for answer in answers} for answers in found)
        if ours != theirs:
            raise RuntimeError(f"{question}: ours finds {ours}, {self._peer.title} {theirs}.")
        return [statistics.median(answer["ms"] for answer in answers) for answers in found]


def compare(run: Run, peer: Peer) -> Iterator[Figure]:
    """Measure everything against a recorder that stores."""
    with run.folder() as folder, receiver() as sink:
        comparison = Comparison(run, peer, folder, sink)
        with comparison.started("idle") as both:
            idle = [each.ask("resident") for each in both]
        empty = comparison.sizes("idle")
        with comparison.started("caller") as both:
            yield from comparison.caller(both)
        with comparison.started("loaded") as both:
            yield peer.figure("until readable", *comparison.load(both), "spans/s")
            after = [each.ask("resident") for each in both]
            yield peer.figure("list", *comparison.asked(both, "list"), "ms")
            yield peer.figure("trace", *comparison.asked(both, "trace", number=-1), "ms")
            period = {"since": SINCE, "until": UNTIL}
            yield peer.figure("stats", *comparison.asked(both, "stats", **period), "ms")
        full = comparison.sizes("loaded")
        grown = (big - small for big, small in zip(full, empty, strict=True))
        yield peer.figure("size", *(size / comparison.loaded for size in grown), "bytes")
        starts = [statistics.median(found) for found in comparison.starts]
        yield peer.figure("start", *starts, "s")
        yield peer.figure("memory, idle", *idle, "MB")
        yield peer.figure("memory, after", *after, "MB")


def compare_caller(run: Run, peer: Peer) -> Iterator[Figure]:
    """Measure what a span costs its caller, against an SDK that sends it elsewhere."""
    with run.folder() as folder, receiver() as sink:
        comparison = Comparison(run, peer, folder, sink)
        with comparison.started("caller") as both:
            figures = [*comparison.caller(both)]
        if not sink.received:
            raise RuntimeError(f"{peer.title} sent nothing: it was not recording.")
        yield from figures
