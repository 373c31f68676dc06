"""A trace: how it ended, what the agent did, and all its spans beside the time they took."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from reports.formatting import bar
from reports.render.columns import Column, Drawing, Line, Part, Table
from reports.render.terminal.parts import STATUS_STYLES, bold, number_column, status, text_column

if TYPE_CHECKING:
    from reports.views.trace_tree import RawView, SpanLine, TraceView

BAR = 80
"""The columns of a waterfall, if there is room."""

DEEPEST = 20
"""Levels that are indented. A program that calls itself can make thousands."""


def trace_tree(view: TraceView) -> Iterator[Part]:
    yield from _head(view)
    yield from _talk(view)
    if view.work:
        yield bold("\nWhat the agent did")
        yield _work(view)
        yield bold("\nAll steps")
    else:
        yield ""
    yield _spans(view)


def _head(view: TraceView) -> Iterator[Part]:
    line = view.line
    yield [*status(line.icon, line.status), (f" {line.name}  ", ""), (line.trace_id, "bold")]
    if view.question:
        yield f"  “{view.question}”"
    known = (view.asker, line.channel, line.when, line.agent, line.tokens, line.cost)
    yield f"  {', '.join(fact for fact in known if fact)}"
    yield [(f"  {view.ending}", STATUS_STYLES.get(line.status, ""))]


def _talk(view: TraceView) -> Iterator[Part]:
    """Yield what the agent wrote last, its answers, and what people think of them."""
    for words in view.last_words:
        yield [(f"  | {words}", "grey")]
    for answer in view.answers:
        yield f"  > {answer}"
    for rating in view.ratings:
        said = f": {rating.reason}" if rating.reason else ""
        yield f"  {rating.mark} {rating.who}{said}"


def _work(view: TraceView) -> Table:
    return Table(
        columns=(Column(), text_column(), number_column(), text_column()),
        rows=[
            (
                status(each.icon, each.status),
                "  " * each.depth + each.title,
                each.duration,
                each.facts,
            )
            for each in view.work
        ],
    )


def _spans(view: TraceView) -> Table:
    return Table(
        columns=(Column(), text_column(), number_column(), Column(drawn=True), text_column()),
        rows=[
            (
                status(span.icon, span.status),
                "  " * min(span.depth, DEEPEST) + span.name,
                span.duration,
                _bar(span),
                [(span.facts, "" if span.status == "ok" else STATUS_STYLES.get(span.status, ""))],
            )
            for span in view.spans
        ],
    )


def _bar(span: SpanLine) -> Drawing:
    def draw(width: int) -> Line:
        return [(bar(span.start, span.width, width), STATUS_STYLES.get(span.status, ""))]

    return Drawing(draw, natural=BAR)


def raw(view: RawView) -> list[Part]:
    return [view.text]
