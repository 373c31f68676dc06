"""Render a view as text with aligned columns and bars, in colour for terminals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from io import StringIO
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from reports.formatting import bar, visible
from reports.views.trace_list import SHORT_ID

if TYPE_CHECKING:
    from reports.views.costs import CostView
    from reports.views.digest import DigestView
    from reports.views.erasure import ConfirmView
    from reports.views.failures import FailuresView
    from reports.views.health import HealthView
    from reports.views.messages import HelpView, MessageView
    from reports.views.statistics import StatsLine, StatsView
    from reports.views.trace_list import TraceLine, TraceListView
    from reports.views.trace_tree import TraceView
    from reports.views.views import View

COLOURS = {
    "ok": "green",
    "error": "red",
    "timeout": "red",
    "abandoned": "red",
    "running": "cyan",
    "cancelled": "yellow",
    "skipped": "bright_black",
}
BAR = 24


def render(view: View, *, width: int = 100, colour: bool = False) -> str:
    """Return lines of at most `width` columns, with escape codes only if `colour` is set."""
    out = StringIO()
    console = Console(
        file=out,
        width=width,
        force_terminal=colour,
        no_color=not colour,
        color_system="standard" if colour else None,
        highlight=False,
        emoji=False,
        markup=False,
    )
    console.print(RENDERERS[type(view).__name__](_visible(view)))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def _visible(value: Any) -> Any:
    """Return a view whose texts, most of which others wrote, cannot control the terminal.

    Before the layout, because what becomes visible takes room.
    """
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, tuple):
        return tuple(map(_visible, value))
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: _visible(getattr(value, f.name)) for f in fields(value)})
    return value


def _grid(*columns: str) -> Table:
    """Make a table without lines. A `>` before a column's name aligns it to the right."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in columns:
        right = name.startswith(">")
        table.add_column(
            name.lstrip(">"), justify="right" if right else "left", no_wrap=right, overflow="fold"
        )
    return table


def _status(icon: str, status: str) -> Text:
    return Text(icon, style=COLOURS.get(status, ""))


def _list(view: TraceListView) -> RenderableType:
    if not view.lines:
        return Text(view.empty)
    table = _lines(view.lines)
    if view.next is None:
        return table
    return Group(table, Text(f"\nFor more, add --cursor {view.next}", style="bright_black"))


def _lines(lines: Iterable[TraceLine]) -> Table:
    table = _grid("", "trace", "when", ">took", "agent", "what")
    for column in table.columns[1:5]:
        column.no_wrap = True
    for line in lines:
        table.add_row(
            _status(line.icon, line.status),
            Text(line.short_id, style="bold"),
            line.when,
            line.duration,
            line.agent or "–",
            _what(line),
        )
    return table


def _what(line: TraceLine) -> Text:
    what = Text(line.text or line.name)
    for fact in (line.tokens, line.cost):
        if fact:
            what.append(f"  {fact}", style="bright_black")
    if line.note:
        what.append(f"  {line.note}", style=COLOURS.get(line.status, ""))
    return what


def _tree(view: TraceView) -> RenderableType:
    line = view.line
    head = Text.assemble(
        _status(line.icon, line.status),
        f" {line.name}  ",
        (line.trace_id, "bold"),
        f"\n  {line.when}, {line.duration}",
        *(f", {fact}" for fact in (line.agent, line.tokens, line.cost) if fact),
    )
    if line.text:
        head.append(f"\n  “{line.text}”")
    if line.note:
        head.append(f"\n  {line.note}", style=COLOURS.get(line.status, ""))
    table = _grid("", "", ">", "", "")
    table.show_header = False
    for span in view.spans:
        colour = COLOURS.get(span.status, "")
        table.add_row(
            _status(span.icon, span.status),
            Text("  " * span.depth + span.name, no_wrap=True),
            span.duration,
            Text(bar(span.start, span.width, BAR), style=colour, no_wrap=True),
            Text(span.facts, style="" if span.status == "ok" else colour),
        )
    return Group(head, Text(""), table)


def _stats(view: StatsView) -> RenderableType:
    table = _groups(view.by or "", view.lines, view.total)
    return Group(Text(view.title, style="bold"), Text(""), table, *_note(view.note, "yellow"))


def _groups(by: str, lines: Iterable[StatsLine], total: StatsLine) -> Table:
    table = _grid(by, *(f">{name}" for name in STATS_COLUMNS))
    for line in lines:
        table.add_row(*_cells(line))
    table.add_row(*(Text(cell, style="bold") for cell in _cells(total)))
    return table


def _note(note: str, style: str) -> list[RenderableType]:
    return [Text(f"\n{note}", style=style)] if note else []


STATS_COLUMNS = ("traces", "errors", "rate", "p50", "p95", "p99", "tokens", "cost")


def _cells(line: StatsLine) -> tuple[str, ...]:
    return (
        *(line.key, line.traces, line.errors, line.error_rate),
        *(line.p50, line.p95, line.p99, line.tokens or "–", line.cost),
    )


def _costs(view: CostView) -> RenderableType:
    tables: list[RenderableType] = [Text(view.title, style="bold")]
    for by, lines in view.lines:
        table = _grid(by, ">tokens", ">cached", ">cost", ">share")
        for line in lines:
            table.add_row(line.key, line.tokens or "–", line.cached, line.cost, line.share)
        tables += [Text(""), table]
    return Group(*tables, *_note(view.note, "yellow"))


def _failures(view: FailuresView) -> RenderableType:
    if not view.lines:
        return Text(view.empty)
    table = _grid("error", "agent", ">traces", "latest", "trace", "where", "what")
    for column in table.columns[:5]:
        column.no_wrap = True
    for line in view.lines:
        table.add_row(
            Text(line.error_type, style="red"),
            *(line.agent or "–", line.traces, line.when),
            Text(line.trace_id[:SHORT_ID], style="bold"),
            *(line.where, line.message),
        )
    note = _note(view.note, "bright_black")
    return Group(Text(view.title, style="bold"), Text(""), table, *note)


def _digest(view: DigestView) -> RenderableType:
    title = Text(view.title, style="bold")
    if view.quiet:
        return Group(title, Text("\nNo agent was asked."))
    parts: list[RenderableType] = [title, Text(""), _groups("agent", view.agents, view.total)]
    if view.skipped:
        left = ", ".join(f"{count} because {why}" for why, count in view.skipped)
        parts.append(Text(f"\nSkipped: {left}."))
    if view.failed:
        parts += [Text("\nFailed:"), _lines(view.failed)]
    if view.dropped:
        parts += _note(
            f"{view.dropped:,} records could not be stored: see tracebot health.", "yellow"
        )
    return Group(*parts)


def _pairs(pairs: tuple[tuple[str, str], ...]) -> Table:
    table = _grid("", "")
    table.show_header = False
    for name, value in pairs:
        table.add_row(Text(name, style="bold", no_wrap=True), value)
    return table


def _health(view: HealthView) -> RenderableType:
    if view.ok:
        return _pairs(view.facts)
    problems = tuple(
        (f"{problem.mark} {problem.fact}", f"{problem.advice}.") for problem in view.problems
    )
    return Group(_pairs(view.facts), Text(""), _pairs(problems))


def _help(view: HelpView) -> RenderableType:
    return Group(Text(view.title, style="bold"), Text(""), _pairs(view.commands))


def _message(view: MessageView | ConfirmView) -> RenderableType:
    return Text(view.text)


RENDERERS: Mapping[str, Callable[[Any], RenderableType]] = {
    "TraceListView": _list,
    "TraceView": _tree,
    "StatsView": _stats,
    "DigestView": _digest,
    "CostView": _costs,
    "FailuresView": _failures,
    "HealthView": _health,
    "HelpView": _help,
    "MessageView": _message,
    "ConfirmView": _message,
}
"""By the name of the view's class: a command loads only the views that it shows."""
