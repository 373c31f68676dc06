"""Figures by agent, person or another dimension, and their course over time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from reports.formatting import sparkline
from reports.render.columns import Cell, Column, Drawing, Line, Part, Table
from reports.render.terminal.parts import bold, note, number_column, text_column
from reports.views.timeline import in_groups

if TYPE_CHECKING:
    from reports.views.statistics import StatsLine, StatsView

COLUMNS = ("traces", "failed", "rate", "p50", "p95", "p99", "tokens", "cost")

SPARED = ("p50", "rate", "tokens", "p99")
"""Columns that a narrow terminal leaves out, the last one first."""

FIGURES = ("count", "p50", "p95", "share")


def stats(view: StatsView) -> Iterator[Part]:
    yield bold(view.title)
    yield from _timeline(view)
    yield ""
    yield groups(view.by or "", view.lines, view.total)
    if view.figures:
        yield ""
        yield _figures(view)
    yield from note(view.note, "yellow")


def _timeline(view: StatsView) -> Iterator[Part]:
    """Draw the traces and the failures over time."""
    moments, unit = view.timeline, view.timeline_by
    if len(moments) < 2:
        return
    traces, errors = [each.traces for each in moments], [each.errors for each in moments]
    counted = [("traces", traces, "cyan"), *([("failed", errors, "red")] if any(errors) else [])]
    article = "an" if unit == "hour" else "a"
    yield ""
    yield Table(
        columns=(Column(), Column(drawn=True), Column()),
        rows=[
            (name, _sparks(counts, style), f"at most {max(counts):,} {article} {unit}")
            for name, counts, style in counted
        ],
    )
    yield [(f"by {unit}, {moments[0].label} to {moments[-1].label} ({view.zone})", "grey")]


def _sparks(counts: Sequence[int], style: str) -> Drawing:
    """Draw a letter for each count, or for the sum of several if there is less room."""

    def draw(width: int) -> Line:
        return [(sparkline([sum(some) for some in in_groups(counts, width)]), style)]

    return Drawing(draw, natural=len(counts))


def _figures(view: StatsView) -> Table:
    """Return what else is measured of each group, which is named once."""
    named = FIGURES if any(line.p50 for line in view.figures) else (FIGURES[0], FIGURES[-1])
    rows: list[list[Cell]] = []
    before = None
    for line in view.figures:
        group = line.group if line.group != before else ""
        before = line.group
        rows.append([bold(group), line.name, *(getattr(line, name) for name in named)])
    numbers = map(number_column, named[:-1])
    return Table(
        columns=(
            text_column(view.figures_by),
            text_column("figure"),
            *numbers,
            text_column("details"),
        ),
        rows=rows,
    )


def groups(by: str, lines: Iterable[StatsLine], total: StatsLine) -> Table:
    """Return a line for each group, and the total in bold below them."""
    thumbs = ("👍", "👎") if total.is_rated else ()
    shown = 1 + len(COLUMNS) + len(thumbs)
    rows: list[list[Cell]] = [list(_cells(line)[:shown]) for line in lines]
    spared = SPARED if rows else ()
    return Table(
        columns=(
            text_column(by),
            *(
                Column(name, right=True, spare=spared.index(name) + 1 if name in spared else 0)
                for name in (*COLUMNS, *thumbs)
            ),
        ),
        rows=[*rows, [bold(cell) for cell in _cells(total)[:shown]]],
    )


def _cells(line: StatsLine) -> tuple[str, ...]:
    change = line.change
    return (
        line.key,
        f"{line.traces} {change.traces}".rstrip(),
        f"{line.errors} {change.errors}".rstrip(),
        *(line.error_rate, line.p50, f"{line.p95} {change.p95}".rstrip(), line.p99),
        *(line.tokens or "–", f"{line.cost} {change.cost}".rstrip()),
        f"{line.thumbs_up} {change.thumbs_up}".strip(),
        f"{line.thumbs_down} {change.thumbs_down}".strip(),
    )
