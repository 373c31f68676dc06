"""Show the costs of agents and models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from reports.render.columns import Part, Table
from reports.render.terminal.parts import bold, note, number_column, text_column

if TYPE_CHECKING:
    from reports.views.costs import CostView


def costs(view: CostView) -> Iterator[Part]:
    yield bold(view.title)
    for by, lines in view.lines:
        if len(lines) == 1 and not view.before:  # Only the total, which is nothing.
            continue
        yield ""
        yield Table(
            columns=(text_column(by), *map(number_column, ("tokens", "cached", "cost", "share"))),
            rows=[
                (
                    *(line.key, line.tokens or "–", line.cached),
                    *(f"{line.cost} {line.change}".rstrip(), line.share),
                )
                for line in lines
            ],
        )
    yield from note(view.note, "yellow")
