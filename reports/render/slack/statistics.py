"""Statistics: the total in a sentence, and the groups as a table and, by time, as a chart."""

from collections.abc import Iterator

from reports.render.block_kit import (
    RUN,
    Block,
    actions,
    button,
    context,
    header,
    json_length,
    note,
    period_buttons,
    section,
)
from reports.render.slack.tables import POINTS, Cell, Number, chart, table
from reports.views.statistics import StatsLine, StatsView
from reports.views.timeline import merged
from storage.queries.statistics import TIMES, Group

COLUMNS = ("traces", "failed", "rate", "cost", "p50", "p95", "p99")
MOST = 12_000
"""Characters of the blocks as JSON, without what says how much is left out."""
THUMBS = ("👍", "👎")
"""The columns after those, if people rated any of the traces."""


def stats(view: StatsView) -> list[Block]:
    above = [header(view.title), section(_sentence(view.total)), *_chart(view), *_table(view)]
    below = [*note(view.note), _buttons(view)]
    room = MOST - json_length(above) - json_length(below)
    return [*above, *_figures(view, size=room), *below]


def _sentence(total: StatsLine) -> str:
    change = total.change
    facts = [
        f"*{total.traces}* traces{_changed(change.traces)}",
        f"*{total.errors}* failed ({total.error_rate}){_changed(change.errors)}",
        f"half within *{total.p50}*, 95% within *{total.p95}*{_changed(change.p95)}",
        f"cost *{total.cost}*{_changed(change.cost)}",
    ]
    if total.tokens:
        facts.append(f"{total.tokens} tokens")
    thumbs = zip(
        *(THUMBS, (total.thumbs_up, total.thumbs_down), (change.thumbs_up, change.thumbs_down)),
        strict=True,
    )
    facts += [f"{thumb} *{count}*{_changed(new)}" for thumb, count, new in thumbs if count]
    return " · ".join(facts)


def _changed(change: str) -> str:
    return f" _{change}_" if change else ""


def _table(view: StatsView) -> list[Block]:
    columns = (view.by or "", *COLUMNS, *(THUMBS if view.total.is_rated else ()))
    rows = [row[: len(columns)] for row in map(_row, view.lines, view.statistics.groups)]
    if not rows:
        return []
    # Times are in their order, and the newest matter; other groups begin with the largest.
    newest = view.by in TIMES
    if newest:
        rows.reverse()
    made = table(f"By {view.by}", columns, rows)
    if not made.hidden and not view.start:
        return [made.block]
    shown = len(rows) - made.hidden
    told = f"{view.start + 1} to {view.start + shown} of {view.start + len(rows)}"
    return [made.block, context(told), *actions(*_pages(view, shown, made.hidden))]


def _pages(view: StatsView, shown: int, hidden: int) -> Iterator[Block]:
    """Yield buttons to the rows before and after those that are shown."""
    back, on = ("Later", "Earlier") if view.by in TIMES else ("Previous", "Next")
    compared = " --compare" if view.before is not None else ""
    again = f"{view.command}{compared} --since {view.period} --cursor"
    if view.start:
        yield button(back, f"{RUN}_back", f"{again} {max(view.start - shown, 0)}")
    if hidden:
        yield button(on, f"{RUN}_on", f"{again} {view.start + shown}")


def _figures(view: StatsView, *, size: int) -> list[Block]:
    """Return a table of what else is measured of each group, without columns that say nothing."""
    if not view.figures:
        return []
    found: list[dict[str, Cell]] = [
        {
            view.figures_by: line.group,
            "figure": line.name,
            "count": Number(line.figure.count, line.count),
            "p50": Number(_whole(line.figure.p50), line.p50),
            "p95": Number(_whole(line.figure.p95), line.p95),
            "details": line.share,
        }
        for line in view.figures
    ]
    idle = set() if any(line.p50 for line in view.figures) else {"p50", "p95"}
    if len({line.group for line in view.figures}) == 1:
        idle.add(view.figures_by)
    columns = [name for name in found[0] if name not in idle]
    rows = [[row[name] for name in columns] for row in found]
    made = table("Figures", columns, rows, size=size)
    if not made.hidden:
        return [made.block]
    said = f"{made.hidden} more: `/trace stats {view.figures_by}:NAME` shows those of one of them"
    return [made.block, context(said)]


def _row(line: StatsLine, group: Group) -> tuple[Cell, ...]:
    rate = round(group.errors / group.traces, 4) if group.traces else None
    change = line.change
    return (
        line.key or "–",
        Number(group.traces, f"{line.traces} {change.traces}".rstrip()),
        Number(group.errors, f"{line.errors} {change.errors}".rstrip()),
        Number(rate, line.error_rate),
        Number(group.cost, f"{line.cost} {change.cost}".rstrip()),
        Number(_whole(group.p50_ns), line.p50),
        Number(_whole(group.p95_ns), f"{line.p95} {change.p95}".rstrip()),
        Number(_whole(group.p99_ns), line.p99),
        Number(group.thumbs_up, f"{group.thumbs_up:,} {change.thumbs_up}".rstrip()),
        Number(group.thumbs_down, f"{group.thumbs_down:,} {change.thumbs_down}".rstrip()),
    )


def _whole(ns: float | None) -> int | None:
    return None if ns is None else round(ns)


def _chart(view: StatsView) -> list[Block]:
    if len(view.timeline) < 2:
        return []
    # Groups have a table, whose newest rows the chart shows; what has none is shown as a whole.
    length, shown = (1, view.timeline[-POINTS:]) if view.by else merged(view.timeline, POINTS)
    counts = {
        "traces": [each.traces for each in shown],
        "failed": [each.errors for each in shown],
    }
    unit = view.timeline_by if length == 1 else f"{length} {view.timeline_by}s"
    title = "Traces" if view.by else f"Traces by {unit} ({view.zone})"
    return [chart(title, "line", [each.label for each in shown], counts)]


def _buttons(view: StatsView) -> Block:
    """Return buttons that show the same of another period, or compare it with the one before."""
    compared = " --compare" if view.before is not None else ""
    other, label = ("", "Do not compare") if compared else (" --compare", "Compare")
    again = f"{view.command}{other} --since {view.period}"
    buttons = period_buttons(f"{view.command}{compared}", view.period)
    return {"type": "actions", "elements": [*buttons, button(label, f"{RUN}_compare", again)]}
