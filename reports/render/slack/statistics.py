"""Statistics as a table that can be sorted."""

from reports.render.block_kit import Block, context, header, note
from reports.render.slack.tables import Cell, Number, table
from reports.views.statistics import StatsLine, StatsView
from storage.queries.statistics import Group

COLUMNS = ("traces", "errors", "rate", "p50", "p95", "p99", "cost")


def stats(view: StatsView) -> list[Block]:
    rows = list(map(_row, view.lines, view.statistics.groups))
    total = _row(view.total, view.statistics.total)
    # Hours are listed by time, and the newest matter; other groups begin with the largest.
    newest = view.by == "hour"
    if newest:
        rows.reverse()
    made = table(view.title, (view.by or "all", *COLUMNS), rows, last=total)
    facts = [f"{view.total.tokens} tokens" if view.total.tokens else ""]
    if made.hidden:
        which = "earlier" if newest else "more"
        facts.append(f"{made.hidden} {which}: see tracebot stats in a shell")
    said = " · ".join(filter(None, facts))
    return [header(view.title), made.block, *([context(said)] if said else []), *note(view.note)]


def _row(line: StatsLine, group: Group) -> tuple[Cell, ...]:
    return (
        line.key or "–",
        Number(group.traces, line.traces),
        Number(group.errors, line.errors),
        Number(round(group.errors / group.traces, 4) if group.traces else None, line.error_rate),
        *(
            Number(value and round(value), text)
            for value, text in (
                (group.p50_ns, line.p50),
                (group.p95_ns, line.p95),
                (group.p99_ns, line.p99),
                (group.cost, line.cost),
            )
        ),
    )
