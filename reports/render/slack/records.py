"""Log lines, each below the other, and metrics as a table and a chart."""

from collections.abc import Iterator

from reports.render.block_kit import (
    RUN,
    SECTION,
    SHOW,
    Block,
    actions,
    button,
    clipped,
    context,
    escape,
    header,
    json_length,
    note,
    period_buttons,
    section,
)
from reports.render.slack.tables import Number, chart, table
from reports.views.records import LogLine, LogsView, MetricsView

MAX_LINES, LINES = 30, 8_000
"""Log lines in a message, and characters of all of them as JSON."""
MESSAGE, FACTS = 300, 200
EMOJI = {
    "critical": ":rotating_light:",
    "error": ":x:",
    "warning": ":warning:",
    "info": ":information_source:",
}


def logs(view: LogsView) -> list[Block]:
    if not view.lines:
        return [section(escape(view.empty)), *_log_buttons(view)]
    rows = list(_fitting(view))
    blocks: list[Block] = [header(view.title)]
    part: list[str] = []
    for row in rows:
        if part and sum(json_length(each) + 2 for each in [*part, row]) > SECTION:
            blocks.append(section("\n".join(part)))
            part = []
        part.append(row)
    blocks.append(section("\n".join(part)))
    if len(rows) < len(view.lines):
        narrower = "--level warning" if view.trace_id else "--since 1h or --level warning"
        # How many there are is not known: only so many were read.
        said = f"Only the newest {len(rows)} are shown: {narrower} lists fewer."
        blocks.append(context(said))
    return [*blocks, *_log_buttons(view)]


def _log_buttons(view: LogsView) -> list[Block]:
    """Return buttons that show the trace, or another period, and only warnings or all levels."""
    level, label = ("", "All levels") if view.level else (" --level warning", "Only warnings")
    if view.trace_id:
        show = button("Show", SHOW, view.trace_id)
        return actions(show, button(label, f"{RUN}_level", f"{view.again}{level}"))
    shown = f"{view.again} --level {view.level}" if view.level else view.again
    other = button(label, f"{RUN}_level", f"{view.again}{level} --since {view.period}")
    return actions(*period_buttons(shown, view.period), other)


def _fitting(view: LogsView) -> Iterator[str]:
    left = LINES
    for line in view.lines[:MAX_LINES]:
        row = _log(line)
        left -= json_length(row) + 2
        if left < 0:
            return
        yield row


def _log(line: LogLine) -> str:
    message, facts = clipped(escape(line.message), MESSAGE), clipped(escape(line.facts), FACTS)
    trace = f" `{line.trace}`" if line.trace else ""
    mark = EMOJI.get(line.level, escape(line.level))
    more = f" _{facts}_" if facts else ""
    return f"{mark} {message}\n{line.when}{trace}{more}"


def metrics(view: MetricsView) -> list[Block]:
    if not view.lines:
        return [section(escape(view.empty))]
    name = "labels" if view.name else "metric"
    columns = (name, "last", "count", "least", "mean", "most", "when")
    rows = [
        (
            line.key,
            Number(total.last, line.last),
            Number(total.count, line.count),
            Number(total.least, line.least),
            Number(total.mean, line.mean),
            Number(total.most, line.most),
            line.when,
        )
        for line, total in zip(view.lines, view.totals, strict=True)
    ]
    made = table("By labels" if view.name else "Metrics", columns, rows)
    hidden = f"{made.hidden} more: a shorter period lists fewer." if made.hidden else ""
    return [
        header(view.title),
        *_chart(view),
        made.block,
        *note(" ".join(filter(None, (hidden, view.note)))),
        *actions(*period_buttons(view.again, view.period)),
    ]


def _chart(view: MetricsView) -> list[Block]:
    if len(view.buckets) < 2:
        return []
    labels = [bucket.label for bucket in view.buckets]
    means = {"mean": [float(f"{bucket.mean:.10g}") for bucket in view.buckets]}
    return [chart("Mean over time", "line", labels, means)]
