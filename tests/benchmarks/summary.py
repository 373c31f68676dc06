"""The main figures in a table of ten lines, beside those of an earlier commit."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import ge, le
from typing import Literal

from tests.benchmarks.figure import Figure, number


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of the table: figures of one kind, and the goal of each.

    It shows either `ours` or the `ratio` to the peer. A goal is a limit that the figure must not
    exceed, or with `at_least` must reach.
    """

    title: str
    goals: Mapping[str, float]
    """The name of each figure → its goal."""
    shown: Literal["ours", "ratio"] = "ours"
    at_least: bool = False


LINES = (
    Line(
        title="ingest, empty / 1,000,000 spans there, × `sqlite3.executemany`",
        goals={"ingest, empty": 0.5, "ingest, 1,000,000 spans": 0.4},
        shown="ratio",
        at_least=True,
    ),
    Line(
        title="otlp, spans received and stored in a second",
        goals={"otlp, received and stored": 40_000},
        at_least=True,
    ),
    Line(
        title="8 writers: commit p99 / longest / visible p99.9, ms",
        goals={
            "writers, commit p99": 20,
            "writers, commit longest": 100,
            "writers, visible p99.9": 300,
        },
    ),
    Line(
        title="stats of 1,000,000 spans: by agent / of a person / by user, ms",
        goals={"stats, by agent": 5, "stats, by agent, a person": 20, "stats, by user": 30},
    ),
    Line(
        title="search of 1,000,000 spans: words present / nowhere, ms",
        goals={"list, words": 3, "list, absent words": 5},
    ),
    Line(title="size, × the rows and their indexes", goals={"size": 1.2}, shown="ratio"),
    Line(title="statistics kept for ever of 1,000,000 spans, MB", goals={"kept, by month": 8}),
    Line(
        title="`tracebot run -- true` / `ls` of 1,000,000 spans, whole, ms",
        goals={"cold, the whole": 90, "cold-ls": 130},
    ),
    Line(title="caller, × OpenTelemetry's SDK", goals={"caller": 0.25}, shown="ratio"),
    Line(
        title="until readable, × Phoenix / MLflow",
        goals={"phoenix, until readable": 400, "mlflow, until readable": 400},
        shown="ratio",
        at_least=True,
    ),
    Line(
        title="bytes a span, × Phoenix / MLflow",
        goals={"phoenix, size": 0.8, "mlflow, size": 0.35},
        shown="ratio",
    ),
)


def benchmarks_of_lines() -> list[str]:
    """Return the names of the benchmarks that find the figures, each once."""
    names = (figure.partition(",")[0] for line in LINES for figure in line.goals)
    return list(dict.fromkeys(names))


def summary(before: Sequence[Figure], now: Sequence[Figure], *, commit: str) -> str:
    """Return the table in Markdown, of the lines whose figures were measured now."""
    rows = [
        ("", f"before ({commit})", "now", "goal", ""),
        ("---", "--:", "--:", "--:", "---"),
        *_rows(_by_name(before), _by_name(now)),
    ]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"{now[0].measured_on if now else ''}\n\n{table}"


def _by_name(figures: Sequence[Figure]) -> Mapping[str, Figure]:
    return {figure.name: figure for figure in figures}


def _rows(before: Mapping[str, Figure], now: Mapping[str, Figure]) -> Iterator[tuple[str, ...]]:
    for line in LINES:
        if not now.keys() >= line.goals.keys():
            continue
        reached, sign = (ge, "≥") if line.at_least else (le, "≤")
        values = [_value(line, now[name]) for name in line.goals]
        met = [reached(*pair) for pair in zip(values, line.goals.values(), strict=True)]
        yield (
            line.title,
            _joined(_value(line, before[name]) if name in before else None for name in line.goals),
            _joined(values),
            f"{sign} {_joined(line.goals.values())}",
            "met" if all(met) else " / ".join("met" if each else "MISSED" for each in met),
        )


def _value(line: Line, figure: Figure) -> float | None:
    return figure.ratio if line.shown == "ratio" else figure.ours


def _joined(values: Iterable[float | None]) -> str:
    return " / ".join("–" if value is None else number(value) for value in values)
