"""A list of traces, one line each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from reports.render.columns import Column, Line, Part, Table
from reports.render.terminal.parts import (
    STATUS_STYLES,
    bold,
    note,
    number_column,
    status,
    text_column,
)

if TYPE_CHECKING:
    from reports.views.trace_list import TraceLine, TraceListView


LONGER = 100
"""The length of a list that a shorter one suggests, as `-n` takes it."""


def trace_list(view: TraceListView) -> Iterator[Part]:
    if not view.lines:
        yield view.empty
        return
    yield traces(view.lines)
    if view.next is not None:
        is_short = view.kind != "thread" and len(view.lines) < LONGER
        longer = f"-n {LONGER}, or " if is_short else ""
        yield from note(f"For more, add {longer}--cursor {view.next}", "grey")


def traces(lines: Iterable[TraceLine]) -> Table:
    return Table(
        columns=(
            *(Column(), Column("trace"), Column("when"), number_column("took")),
            *(text_column("agent"), text_column("what")),
        ),
        rows=[
            (
                status(line.icon, line.status),
                bold(line.short_id),
                line.when,
                line.duration,
                line.agent or "–",
                _what(line),
            )
            for line in lines
        ],
    )


def _what(line: TraceLine) -> Line:
    facts = [(f"  {fact}", "grey") for fact in (line.tokens, line.cost, line.thumbs) if fact]
    note = [(f"  {line.note}", STATUS_STYLES.get(line.status, ""))] if line.note else []
    return [(line.text or line.name, ""), *facts, *note]
