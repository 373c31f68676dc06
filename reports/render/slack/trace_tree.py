"""One trace: its line, and its spans as a waterfall."""

from collections.abc import Iterator

from reports.formatting import bar
from reports.render.block_kit import SECTION, SHARE, Block, button, code, context, escape, section
from reports.render.slack.ratings import rating_lines
from reports.render.slack.trace_list import trace_line
from reports.views.trace_tree import SpanLine, TraceView

MAX_SPANS = 40
WATERFALL = 8_000
NAME, BAR = 30, 16


def trace_tree(view: TraceView) -> list[Block]:
    blocks = [section(trace_line(view.line)), *rating_lines(view.ratings), *_waterfall(view.spans)]
    blocks.append(
        {"type": "actions", "elements": [button("Share here", SHARE, view.line.trace_id)]}
    )
    return blocks


def _waterfall(spans: tuple[SpanLine, ...]) -> Iterator[Block]:
    """Show as many spans as fit into a message, in as few blocks as possible."""
    rows: list[str] = []
    shown, used, size = 0, 0, 0
    for row in map(_row, spans[:MAX_SPANS]):
        length = len(escape(row)) + 1
        if used + length > WATERFALL:
            break
        if size + length > SECTION - 6:
            yield code(rows)
            rows, size = [], 0
        rows.append(row)
        shown, used, size = shown + 1, used + length, size + length
    if rows:
        yield code(rows)
    if shown < len(spans):
        yield context(f"… and {len(spans) - shown} more steps: see tracebot show in a shell.")


def _row(span: SpanLine) -> str:
    name = f"{'  ' * min(span.depth, 6)}{span.name}"
    name = name if len(name) <= NAME else f"{name[: NAME - 1]}…"
    bars = bar(span.start, span.width, BAR)
    row = f"{span.icon} {name:<{NAME}} {span.duration:>8} {bars}"
    facts = span.facts if len(span.facts) <= 90 else f"{span.facts[:89]}…"
    return f"{row}  {facts}".rstrip()
