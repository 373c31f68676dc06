"""Render a view as text with aligned columns and bars, in colour for terminals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

from reports.formatting import bar, sparkline, visible
from reports.render.columns import Cell, Column, Drawing, Line, Part, Piece, Table, layout
from reports.views.trace_list import SHORT_ID

if TYPE_CHECKING:
    from reports.views.alerts import AlertsView, AlertView
    from reports.views.budgets import BudgetsView
    from reports.views.costs import CostView
    from reports.views.digest import Day, DigestView, IssueLine, ThreadLine
    from reports.views.erasure import ConfirmView
    from reports.views.failures import FailuresView
    from reports.views.health import HealthView
    from reports.views.messages import HelpView, MessageView
    from reports.views.records import LogsView, MetricsView
    from reports.views.statistics import StatsLine, StatsView
    from reports.views.trace_list import TraceLine, TraceListView
    from reports.views.trace_tree import RawView, SpanLine, TraceView
    from reports.views.views import View
    from reports.views.why import WhyView

STYLES = {
    "ok": "green",
    "error": "red",
    "timeout": "red",
    "abandoned": "red",
    "running": "cyan",
    "cancelled": "yellow",
    "skipped": "grey",
}
"""The style of each status."""
BAR = 80
"""The columns of a waterfall, if there is room."""


def render(view: View, *, width: int | None = 100, colour: bool = False) -> str:
    """Return lines of at most `width` columns, with escape codes only if `colour` is set.

    Without a width, nothing is wrapped.
    """
    return layout(RENDERERS[type(view).__name__](_visible(view)), width=width, colour=colour)


def render_more(view: TraceListView, *, width: int | None, colour: bool) -> str:
    """Return the rows of a list that goes on with another, without the names of columns."""
    rows = replace(_lines(_visible(view.lines)), headed=False)
    return layout([rows], width=width, colour=colour)


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


def _text(name: str = "") -> Column:
    return Column(name, wraps=True)


def _number(name: str) -> Column:
    return Column(name, right=True)


def _status(icon: str, status: str) -> Piece:
    return icon, STYLES.get(status, "")


def _list(view: TraceListView) -> Iterator[Part]:
    if not view.lines:
        yield view.empty
        return
    yield _lines(view.lines)
    if view.next is not None:
        yield [(f"\nFor more, add --cursor {view.next}", "grey")]


def _lines(lines: Iterable[TraceLine]) -> Table:
    return Table(
        columns=(
            *(Column(), Column("trace"), Column("when"), _number("took")),
            *(_text("agent"), _text("what")),
        ),
        rows=[
            (
                [_status(line.icon, line.status)],
                [(line.short_id, "bold")],
                line.when,
                line.duration,
                line.agent or "–",
                _what(line),
            )
            for line in lines
        ],
    )


def _what(line: TraceLine) -> list[Piece]:
    facts = [(f"  {fact}", "grey") for fact in (line.tokens, line.cost, line.thumbs) if fact]
    note = [(f"  {line.note}", STYLES.get(line.status, ""))] if line.note else []
    return [(line.text or line.name, ""), *facts, *note]


def _tree(view: TraceView) -> Iterator[Part]:
    line = view.line
    yield [_status(line.icon, line.status), (f" {line.name}  ", ""), (line.trace_id, "bold")]
    if view.question:
        yield f"  “{view.question}”"
    known = (view.asker, line.channel, line.when, line.agent, line.tokens, line.cost)
    yield f"  {', '.join(fact for fact in known if fact)}"
    yield [(f"  {view.ending}", STYLES.get(line.status, ""))]
    for words in view.last_words:
        yield [(f"  | {words}", "grey")]
    for answer in view.answers:
        yield f"  > {answer}"
    for rating in view.ratings:
        said = f": {rating.reason}" if rating.reason else ""
        yield f"  {rating.mark} {rating.who}{said}"
    if view.work:
        yield [("\nWhat the agent did", "bold")]
        yield Table(
            columns=(Column(), _text(), _number(""), _text()),
            rows=[
                (
                    [_status(each.icon, each.status)],
                    "  " * each.depth + each.title,
                    each.duration,
                    each.facts,
                )
                for each in view.work
            ],
        )
        yield [("\nAll steps", "bold")]
    else:
        yield ""
    yield Table(
        columns=(Column(), _text(), _number(""), Column(drawn=True), _text()),
        rows=[
            (
                [_status(span.icon, span.status)],
                "  " * span.depth + span.name,
                span.duration,
                _bar(span),
                [(span.facts, "" if span.status == "ok" else STYLES.get(span.status, ""))],
            )
            for span in view.spans
        ],
    )


def _bar(span: SpanLine) -> Drawing:
    def draw(width: int) -> Line:
        return [(bar(span.start, span.width, width), STYLES.get(span.status, ""))]

    return Drawing(draw, natural=BAR)


def _stats(view: StatsView) -> Iterator[Part]:
    yield [(view.title, "bold")]
    yield from _timeline(view)
    yield ""
    yield _groups(view.by or "", view.lines, view.total)
    yield from _note(view.note, "yellow")


def _timeline(view: StatsView) -> Iterator[Part]:
    """Draw the traces and the failures over time."""
    moments, unit = view.timeline, view.timeline_by
    if len(moments) < 2:
        return
    traces, errors = [each.traces for each in moments], [each.errors for each in moments]
    counted = [("traces", traces, "cyan"), *([("errors", errors, "red")] if any(errors) else [])]
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
    from reports.views.timeline import in_groups  # Here, because other views need not wait for it.

    def draw(width: int) -> Line:
        return [(sparkline([sum(some) for some in in_groups(counts, width)]), style)]

    return Drawing(draw, natural=len(counts))


def _groups(by: str, lines: Iterable[StatsLine], total: StatsLine) -> Table:
    thumbs = ("👍", "👎") if total.is_rated else ()
    shown = 1 + len(STATS_COLUMNS) + len(thumbs)
    rows: list[list[Cell]] = [list(_cells(line)[:shown]) for line in lines]
    return Table(
        columns=(_text(by), *map(_number, (*STATS_COLUMNS, *thumbs))),
        rows=[*rows, [[(cell, "bold")] for cell in _cells(total)[:shown]]],
    )


def _note(note: str, style: str) -> list[Part]:
    return [[(f"\n{note}", style)]] if note else []


STATS_COLUMNS = ("traces", "errors", "rate", "p50", "p95", "p99", "tokens", "cost")


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


def _costs(view: CostView) -> Iterator[Part]:
    yield [(view.title, "bold")]
    for by, lines in view.lines:
        yield ""
        yield Table(
            columns=(_text(by), *map(_number, ("tokens", "cached", "cost", "share"))),
            rows=[
                (line.key, line.tokens or "–", line.cached, line.cost, line.share) for line in lines
            ],
        )
    yield from _note(view.note, "yellow")


def _budgets(view: BudgetsView) -> Iterator[Part]:
    if not view.lines:
        yield view.empty
        return
    yield [(view.title, "bold")]
    yield ""
    yield Table(
        columns=(
            *(Column("id"), _text("of"), _text("limit"), _number("spent"), _number("share")),
            *(Column(), _text("forecast")),
        ),
        rows=[
            (
                [(line.id, "bold")],
                *(line.name, line.limit, line.spent, line.share),
                [(line.bar, BUDGET_STYLES[line.status])],
                line.forecast,
            )
            for line in view.lines
        ],
    )


BUDGET_STYLES = {"ok": "green", "warning": "yellow", "suspended": "red", "refused": "red"}


def _failures(view: FailuresView) -> Iterator[Part]:
    if not view.lines:
        yield view.empty
        return
    yield [(view.title, "bold")]
    yield ""
    yield Table(
        columns=(
            *(Column("issue"), _text("error"), _text("agent"), _number("traces"), Column("when")),
            *(Column("latest"), Column("trace"), _text("what")),
        ),
        rows=[
            (
                [(line.short_id, "bold")],
                [(line.error_type, "red")],
                *(line.agent or "–", line.traces, line.chart, line.when),
                [(line.trace_id[:SHORT_ID], "bold")],
                [
                    (f"{line.state}: " if line.state in ("new", "returned") else "", "red"),
                    (line.message, ""),
                    (f"  {line.changed or line.where}", "grey"),
                ],
            )
            for line in view.lines
        ],
    )
    yield from _note(view.note, "grey")


def _digest(view: DigestView) -> Iterator[Part]:
    yield [(view.title, "bold")]
    yield f"\n{view.sentence}"
    if not view.quiet:
        yield ""
        yield _figures(view)
        yield from _days(view.days)
        yield ""
        yield _groups("agent", view.agents, view.total)
    if view.issues:
        yield "\nNew errors:"
        yield _fresh_issues(view.issues)
    if view.failed:
        yield "\nFailed:"
        yield _lines(view.failed)
    for title, lines in (("Dearest", view.dearest), ("Slowest", view.slowest)):
        if lines:
            yield f"\n{title} threads:"
            yield _threads(lines)
    yield from _remarks(view)


def _figures(view: DigestView) -> Table:
    names = (view.noun, "usual", view.before_name)
    return Table(
        columns=(Column(), *map(_number, names)),
        rows=[(each.name, each.now, each.usual, each.before) for each in view.figures],
    )


def _days(days: Sequence[Day]) -> Iterator[Part]:
    """Draw the turns of each day, and the failures below them."""
    yield ""
    yield Table(
        columns=(Column(), Column(), Column()),
        rows=[
            (name, [(sparkline(counts), style)], f"{days[0].label} to {days[-1].label}")
            for name, counts, style in (
                ("turns", [day.traces for day in days], "cyan"),
                ("failed", [day.errors for day in days], "red"),
            )
        ],
    )


def _fresh_issues(lines: Iterable[IssueLine]) -> Table:
    return Table(
        columns=(Column(), _text("error"), _number("seen"), Column("trace"), _text("what")),
        rows=[
            (
                [("back" if line.is_back else "new", "yellow")],
                [(line.name, "red")],
                *(line.times, [(line.trace_id[:SHORT_ID], "bold")], line.message),
            )
            for line in lines
        ],
    )


def _threads(lines: Iterable[ThreadLine]) -> Table:
    return Table(
        columns=(Column("trace"), *map(_number, ("turns", "cost", "slowest")), _text("what")),
        rows=[
            (
                [(line.trace_id[:SHORT_ID], "bold")],
                *(line.turns, line.cost, line.slowest),
                line.text,
            )
            for line in lines
        ],
    )


def _remarks(view: DigestView) -> Iterator[Part]:
    for each in view.silent:
        yield from _note(each, "yellow")
    if view.skipped:
        why = ", ".join(f"{count} because {reason}" for reason, count in view.skipped)
        yield f"\n{view.left}: {why}."
    if view.dropped:
        yield from _note(
            f"{view.dropped:,} records could not be stored: see tracebot health.", "yellow"
        )
    for each in view.budgets:
        yield f"\n{each}."
    for each in view.problems:
        yield from _note(f"Database {each}.", "yellow")


def _pairs(pairs: Iterable[tuple[str, str]]) -> Table:
    return Table(
        columns=(Column(), _text()), rows=[([(name, "bold")], value) for name, value in pairs]
    )


def _why(view: WhyView) -> Iterator[Part]:
    yield [(view.title, "bold")]
    yield ""
    yield _lines([view.line])
    *before, held = view.rules
    yield ""
    yield _pairs([*((rule, "no") for rule in before), (held, "yes: this rule decided")])
    for fact in view.facts:
        yield f"\n{fact}"
    if view.instead:
        yield [("\nFor an answer: ", "bold"), (view.instead, "")]


def _health(view: HealthView) -> Iterator[Part]:
    yield _pairs(view.facts)
    if not view.ok:
        yield ""
        yield _pairs(
            (f"{problem.mark} {problem.fact}", f"{problem.advice}.") for problem in view.problems
        )


def _logs(view: LogsView) -> Iterator[Part]:
    if not view.lines:
        yield view.empty
        return
    yield [(view.title, "bold")]
    yield ""
    own = () if view.trace_id else (Column("trace"),)
    yield Table(
        columns=(Column(), Column("when"), *own, _text("message"), _text("facts")),
        rows=[
            (
                [(line.icon, LEVEL_STYLES.get(line.level, ""))],
                line.when,
                *([] if view.trace_id else [line.trace_id[:SHORT_ID]]),
                [(line.message, LEVEL_STYLES.get(line.level, ""))],
                [(line.facts, "grey")],
            )
            for line in view.lines
        ],
    )


LEVEL_STYLES = {"critical": "red", "error": "red", "warning": "yellow", "debug": "grey"}


def _metrics(view: MetricsView) -> Iterator[Part]:
    if not view.lines:
        yield view.empty
        return
    yield [(view.title, "bold")]
    if len(view.buckets) > 1:
        first, *_, last = view.buckets
        yield ""
        yield [(sparkline([bucket.mean for bucket in view.buckets]), "cyan")]
        yield [(f"{first.label} to {last.label}", "grey")]
    yield ""
    yield Table(
        columns=(
            _text("labels" if view.name else "metric"),
            *map(_number, ("last", "count", "least", "mean", "most")),
            Column("when"),
        ),
        rows=[
            (line.key, line.last, line.count, line.least, line.mean, line.most, line.when)
            for line in view.lines
        ],
    )
    yield from _note(view.note, "grey")


def _raw(view: RawView) -> Iterator[Part]:
    yield view.text


ALERT_STYLES = {"ok": "green", "warning": "yellow", "alert": "red"}


def _alerts(view: AlertsView) -> Iterator[Part]:
    if not view.lines:
        yield view.empty
        return
    yield [(view.title, "bold")]
    yield ""
    yield Table(
        columns=(
            *(Column(), Column("alert"), _text("what"), _number("now"), Column("changed")),
            *(_text("rule"), _text("channel"), _text()),
        ),
        rows=[
            (
                [(line.icon, ALERT_STYLES.get(line.level, "grey"))],
                [(line.id, "bold")],
                *(line.what, line.value or line.level, line.since, line.rule, line.place),
                line.note,
            )
            for line in view.lines
        ],
    )


def _alert(view: AlertView) -> Iterator[Part]:
    yield [(view.title, "bold")]
    yield view.facts


def _help(view: HelpView) -> Iterator[Part]:
    yield [(view.title, "bold")]
    yield ""
    yield _pairs(view.commands)


def _message(view: MessageView | ConfirmView) -> Iterator[Part]:
    yield view.text


RENDERERS: Mapping[str, Callable[[Any], Iterable[Part]]] = {
    "TraceListView": _list,
    "TraceView": _tree,
    "RawView": _raw,
    "LogsView": _logs,
    "MetricsView": _metrics,
    "StatsView": _stats,
    "DigestView": _digest,
    "CostView": _costs,
    "BudgetsView": _budgets,
    "FailuresView": _failures,
    "HealthView": _health,
    "HelpView": _help,
    "MessageView": _message,
    "ConfirmView": _message,
    "WhyView": _why,
    "AlertsView": _alerts,
    "AlertView": _alert,
}
"""By the name of the view's class: a command loads only the views that it shows."""
