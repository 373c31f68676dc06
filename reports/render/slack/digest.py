"""A digest: what kind of day it was, its figures and days, and what stood out."""

from collections.abc import Iterable

from reports.render.block_kit import (
    DIGEST_CHANGE,
    DIGEST_OFF,
    KEY,
    RUN,
    SHOW,
    Block,
    actions,
    button,
    clipped,
    context,
    escape,
    header,
    note,
    section,
)
from reports.render.slack.tables import Cell, Number, chart, table
from reports.render.slack.trace_list import trace_lines
from reports.views.digest import DigestView, IssueLine, ThreadLine
from reports.views.statistics import StatsLine
from storage.queries.statistics import Group

THUMBS = ("👍", "👎")
MOST_AGENTS, MOST_ISSUES, THREAD_TEXT, ISSUE_TEXT = 6, 3, 120, 160
"""Rows, and characters of a text: a message has room for so many beside the rest."""


def digest(view: DigestView) -> list[Block]:
    if not view.has_news:
        return [section(f"*{escape(view.title)}*: {escape(view.sentence)}")]
    blocks = [header(view.title), section(escape(view.sentence))]
    if not view.quiet:
        blocks += [*_figures(view), *_chart(view), *_agents(view)]
    return [
        *blocks,
        *_failed(view),
        *_threads("Most expensive threads", view.dearest, by_cost=True),
        *_threads("Slowest threads", view.slowest, by_cost=False),
        *_remarks(view),
        *_buttons(view),
    ]


def _figures(view: DigestView) -> list[Block]:
    columns = ("figure", view.noun, "usual", view.before_name)
    rows = [(each.name, each.now, each.usual, each.before) for each in view.figures]
    return [table("Figures, with the change in brackets", columns, rows).block]


def _chart(view: DigestView) -> list[Block]:
    labels = [day.label for day in view.facts.days]
    counts = {
        "turns": [day.traces for day in view.facts.days],
        "failed": [day.errors for day in view.facts.days],
    }
    return [chart(f"Turns of the last {len(labels)} days", "bar", labels, counts)]


def _agents(view: DigestView) -> list[Block]:
    thumbs = THUMBS if view.total.is_rated else ()
    columns = ("agent", "turns", "failed", "p95", "cost", *thumbs)
    pairs = list(zip(view.agents, view.facts.agents.groups, strict=False))[:MOST_AGENTS]
    if not pairs:
        return []
    hidden = len(view.agents) - len(pairs)
    rows = [_row(line, group)[: len(columns)] for line, group in pairs]
    more = [context(f"{hidden} more: see `/trace stats --by agent`")] if hidden else []
    return [table("By agent", columns, rows).block, *more]


def _row(line: StatsLine, group: Group) -> tuple[Cell, ...]:
    return (
        line.key or "no agent",
        Number(group.traces, line.traces),
        Number(group.errors, line.errors),
        Number(None if group.p95_ns is None else round(group.p95_ns), line.p95),
        Number(group.cost, line.cost),
        Number(group.thumbs_up, f"{group.thumbs_up:,}"),
        Number(group.thumbs_down, f"{group.thumbs_down:,}"),
    )


def _failed(view: DigestView) -> list[Block]:
    """Return the errors that are new or back; if all are known, the newest turns that failed."""
    if not view.issues:
        return [section("*Failed*"), *trace_lines(view.failed)] if view.failed else []
    hidden = len(view.issues) - MOST_ISSUES
    more = [context(f"{hidden} more: see *All errors*")] if hidden > 0 else []
    lines = enumerate(view.issues[:MOST_ISSUES])
    return [section("*New errors*"), *(_issue(line, place) for place, line in lines), *more]


def _issue(line: IssueLine, place: int) -> Block:
    mark = ":leftwards_arrow_with_hook: back again:" if line.is_back else ":new:"
    message = f"\n_{clipped(escape(line.message), ISSUE_TEXT)}_" if line.message else ""
    text = f"{mark} *{clipped(escape(line.name), KEY)}* · {line.times}{message}"
    return {**section(text), "accessory": button("Show", f"{SHOW}_{place}", line.trace_id)}


def _threads(title: str, lines: Iterable[ThreadLine], *, by_cost: bool) -> list[Block]:
    told = [_thread(line, by_cost=by_cost) for line in lines]
    return [section("\n".join((f"*{title}*", *told)))] if told else []


def _thread(line: ThreadLine, *, by_cost: bool) -> str:
    text = clipped(escape(line.text), THREAD_TEXT)
    named = f"<{line.link}|{text}>" if line.link else f"“{text}” `{line.short_id}`"
    return f"• *{line.cost if by_cost else line.slowest}*  {named} · {line.turns}"


def _remarks(view: DigestView) -> list[Block]:
    """Return what is told below the figures, each in a line."""
    budgets = (f"{each}." for each in view.facts.budgets)
    blocks = note("\n".join((*budgets, *(f"🔇 {each}" for each in view.silent))))
    blocks += note(view.left)
    if view.facts.dropped:
        blocks.append(
            context(f"⚠ {view.facts.dropped:,} records could not be stored: see `/trace health`.")
        )
    return [*blocks, *note("\n".join(f"Database {each}." for each in view.facts.problems))]


def _buttons(view: DigestView) -> list[Block]:
    buttons = []
    if view.facts.agents.total.errors:
        buttons.append(button("All errors", f"{RUN}_errors", f"errors --since {view.errors_since}"))
    if view.subscribed:
        buttons += [
            button("Change", DIGEST_CHANGE, view.subscribed),
            button("Off", DIGEST_OFF, view.subscribed),
        ]
    return actions(*buttons)
