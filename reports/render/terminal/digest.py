"""A digest: its figures beside the usual ones, and what stood out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from reports.formatting import sparkline
from reports.render.columns import Column, Part, Table
from reports.render.terminal.parts import bold, note, number_column, text_column
from reports.render.terminal.statistics import groups
from reports.render.terminal.trace_list import traces

if TYPE_CHECKING:
    from reports.views.digest import Day, DigestView, IssueLine, ThreadLine


def digest(view: DigestView) -> Iterator[Part]:
    yield bold(view.title)
    yield f"\n{view.sentence}"
    if not view.quiet:
        yield ""
        yield _figures(view)
        yield ""
        yield _days(view.facts.days)
        yield ""
        yield groups("agent", view.agents, view.total)
    if view.issues:
        yield "\nNew errors:"
        yield _issues(view.issues)
    elif view.failed:
        yield "\nFailed:"
        yield traces(view.failed)
    for title, lines in (("Most expensive", view.dearest), ("Slowest", view.slowest)):
        if lines:
            yield f"\n{title} threads:"
            yield _threads(lines)
    yield from _remarks(view)


def _figures(view: DigestView) -> Table:
    names = (view.noun, "usual", view.before_name)
    return Table(
        columns=(Column(), *map(number_column, names)),
        rows=[(each.name, each.now, each.usual, each.before) for each in view.figures],
    )


def _days(days: Sequence[Day]) -> Table:
    """Draw the turns of each day, and the failures below them."""
    return Table(
        columns=(Column(), Column(), Column()),
        rows=[
            (name, [(sparkline(counts), style)], f"{days[0].label} to {days[-1].label}")
            for name, counts, style in (
                ("turns", [day.traces for day in days], "cyan"),
                ("failed", [day.errors for day in days], "red"),
            )
        ],
    )


def _issues(lines: Iterable[IssueLine]) -> Table:
    return Table(
        columns=(
            *(Column(), text_column("error"), number_column("seen")),
            *(Column("trace"), text_column("what")),
        ),
        rows=[
            (
                [("back" if line.is_back else "new", "yellow")],
                [(line.name, "red")],
                *(line.times, bold(line.short_id), line.message),
            )
            for line in lines
        ],
    )


def _threads(lines: Iterable[ThreadLine]) -> Table:
    return Table(
        columns=(
            *(Column("trace"), *map(number_column, ("turns", "cost", "slowest"))),
            text_column("what"),
        ),
        rows=[
            (bold(line.short_id), line.turns, line.cost, line.slowest, line.text) for line in lines
        ],
    )


def _remarks(view: DigestView) -> Iterator[Part]:
    for each in view.silent:
        yield from note(each, "yellow")
    if view.left:
        yield f"\n{view.left}"
    if view.facts.dropped:
        yield from note(
            f"{view.facts.dropped:,} records could not be stored: see tracebot health.", "yellow"
        )
    for each in view.facts.budgets:
        yield f"\n{each}."
    for each in view.facts.problems:
        yield from note(f"Database {each}.", "yellow")
