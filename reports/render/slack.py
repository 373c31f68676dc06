"""Render a view as Slack blocks, within Slack's limits.

See https://docs.slack.dev/reference/block-kit.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from reports.formatting import bar
from reports.render.block_kit import (
    FORGET,
    NEXT,
    SECTION,
    SHARE,
    SHOW,
    STOP,
    Block,
    button,
    clipped,
    code,
    context,
    escape,
    header,
    section,
)
from reports.views.costs import CostView
from reports.views.digest import DigestView
from reports.views.erasure import ConfirmView
from reports.views.failures import FailureLine, FailuresView
from reports.views.health import HealthView
from reports.views.messages import HelpView, MessageView
from reports.views.statistics import StatsLine, StatsView
from reports.views.trace_list import TraceLine, TraceListView
from reports.views.trace_tree import SpanLine, TraceView
from reports.views.views import View

MAX_LINES = 10
MAX_SPANS = 40
WATERFALL = 8_000
STATS_ROWS = 30
COST_ROWS = 15
NOTE = 600
PART = 240
"""Characters of a line's text, and of its note: ten lines fit into a message, whatever they say."""

BUTTON_VALUE = 2_000
NAME, KEY, BAR = 30, 36, 16
EMOJI = {
    "ok": ":white_check_mark:",
    "error": ":x:",
    "timeout": ":alarm_clock:",
    "abandoned": ":ghost:",
    "running": ":hourglass_flowing_sand:",
    "cancelled": ":no_entry_sign:",
    "skipped": ":zzz:",
}


def render(view: View) -> list[Block]:
    return RENDERERS[type(view)](view)


def fallback(view: View) -> str:
    """Return the text that a notification shows."""
    return escape(getattr(view, "title", "") or getattr(view, "text", "") or "A trace")


def _list(view: TraceListView) -> list[Block]:
    if not view.lines:
        return [section(escape(view.empty))]
    # A thread is listed oldest first, but people ask about its end; other lists begin with it.
    lines = view.lines[-MAX_LINES:] if view.kind == "thread" else view.lines[:MAX_LINES]
    blocks = [header(view.title), *_lines(lines, kind=view.kind)]
    if hidden := len(view.lines) - len(lines):
        which = "earlier" if view.kind == "thread" else "more"
        blocks.insert(1, context(f"{hidden} {which}: see tracebot {view.kind} in a shell."))
    value = json.dumps({"filters": dict(view.filters), "cursor": view.next}, separators=(",", ":"))
    if view.next is not None and len(value) <= BUTTON_VALUE:
        blocks.append({"type": "actions", "elements": [button("Next", NEXT, value)]})
    return blocks


def _lines(lines: Iterable[TraceLine], *, kind: str = "ls") -> Iterator[Block]:
    label, action_id = ("Stop", STOP) if kind == "ps" else ("Show", SHOW)
    for place, line in enumerate(lines):
        pressed = button(label, f"{action_id}_{place}", line.trace_id)
        yield {**section(_line(line)), "accessory": pressed}


def _line(line: TraceLine) -> str:
    text, name = clipped(escape(line.text), PART), clipped(escape(line.name), PART)
    said = f"“{text}”" if line.text else f"*{name}*"
    agent = clipped(escape(line.agent), KEY)
    facts = [line.when, line.duration, agent, _place(line), line.tokens, line.cost]
    second = " · ".join(fact for fact in facts if fact)
    note = f"\n_{clipped(escape(line.note), PART)}_" if line.note else ""
    return f"{EMOJI.get(line.status, '')} {said}\n`{line.short_id}` {second}{note}"


def _place(line: TraceLine) -> str:
    """Link the channel, which notifies nobody. A user would be notified by a mention."""
    return f"<#{line.channel}>" if line.channel.startswith("C") else ""


def _tree(view: TraceView) -> list[Block]:
    blocks = [section(_line(view.line)), *_waterfall(view.spans)]
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


def _columns(rows: list[tuple[str, ...]]) -> list[str]:
    """Align rows as columns: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if not column else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _stats(view: StatsView) -> list[Block]:
    names = (view.by or "", "traces", "errors", "rate", "p50", "p95", "p99", "cost")
    # Hours are listed by time, and the newest matter; other groups begin with the largest.
    newest = view.by == "hour"
    shown = view.lines[-STATS_ROWS:] if newest else view.lines[:STATS_ROWS]
    rows = [names, *map(_cells, shown), _cells(view.total)]
    lines = _columns(rows)
    half = len(lines) // 2 + 1 if len(lines) > STATS_ROWS // 2 else len(lines)
    blocks = [header(view.title), code(lines[:half])]
    if lines[half:]:
        blocks.append(code(lines[half:]))
    facts = [f"{view.total.tokens} tokens" if view.total.tokens else ""]
    if (hidden := len(view.lines) - STATS_ROWS) > 0:
        which = "earlier" if newest else "more"
        facts.append(f"{hidden} {which}: see tracebot stats in a shell")
    if said := " · ".join(filter(None, facts)):
        blocks.append(context(said))
    return blocks + _note(view.note)


def _note(note: str) -> list[Block]:
    return [context(clipped(escape(note), NOTE))] if note else []


def _costs(view: CostView) -> list[Block]:
    blocks = [header(view.title)]
    for by, lines in view.lines:
        # The most expensive lines and the total, which is the last.
        shown = lines if len(lines) <= COST_ROWS else (*lines[: COST_ROWS - 1], lines[-1])
        cells = [(_key(line.key), line.tokens or "–", line.cost, line.share) for line in shown]
        blocks.append(code(_columns([(by, "tokens", "cost", "share"), *cells])))
    return blocks + _note(view.note)


def _failures(view: FailuresView) -> list[Block]:
    if not view.lines:
        return [section(escape(view.empty))]
    blocks = [header(view.title)]
    for place, line in enumerate(view.lines[:MAX_LINES]):
        show = button("Show", f"{SHOW}_{place}", line.trace_id)
        blocks.append({**section(_failure(line)), "accessory": show})
    if (hidden := len(view.lines) - MAX_LINES) > 0:
        blocks += _note(f"{hidden} rarer errors: see tracebot errors in a shell.")
    return blocks + _note(view.note)


def _failure(line: FailureLine) -> str:
    who = f" · {clipped(escape(line.agent), KEY)}" if line.agent else ""
    times = "once" if line.traces == "1" else f"{line.traces} times"
    where = clipped(escape(line.where), PART)
    message = f"\n_{clipped(escape(line.message), PART)}_" if line.message else ""
    return (
        f"*{clipped(escape(line.error_type), KEY)}*{who} · {times}, last {line.when} "
        f"in {where}{message}"
    )


def _key(key: str) -> str:
    return key if len(key) <= KEY else f"{key[: KEY - 1]}…"


def _cells(line: StatsLine) -> tuple[str, ...]:
    return (
        *(_key(line.key), line.traces, line.errors, line.error_rate),
        *(line.p50, line.p95, line.p99, line.cost),
    )


def _digest(view: DigestView) -> list[Block]:
    if view.quiet:
        return [header(view.title), section("No agent was asked.")]
    total = view.total
    facts = (
        f"*{total.traces}* turns · *{total.errors}* failed ({total.error_rate}) · "
        f"half within *{total.p50}*, 95% within *{total.p95}* · cost {total.cost}"
    )
    blocks = [header(view.title), section(facts)]
    if view.agents:
        blocks += _agents(view.agents)
    if view.skipped:
        left = ", ".join(f"{count} because {why}" for why, count in view.skipped)
        blocks.append(context(escape(f"Skipped: {left}.")))
    if view.dropped:
        blocks.append(
            context(f"⚠ {view.dropped:,} records could not be stored: see `/trace health`.")
        )
    return [*blocks, *_lines(view.failed)]


def _agents(lines: tuple[StatsLine, ...]) -> list[Block]:
    said = [
        f"*{clipped(escape(line.key), KEY)}*  {line.traces} turns, {line.errors} failed, "
        f"p50 {line.p50}, p95 {line.p95}, cost {line.cost}"
        for line in lines[:20]
    ]
    return [section("\n".join(said))]


def _health(view: HealthView) -> list[Block]:
    facts = "\n".join(f"*{name}*  {escape(value)}" for name, value in view.facts)
    problems = "\n".join(
        f"{problem.mark} *{problem.fact}*: {escape(problem.advice)}." for problem in view.problems
    )
    return [section(facts), *([section(problems)] if problems else [])]


def _help(view: HelpView) -> list[Block]:
    lines = [f"`/trace {command}`  {escape(meaning)}" for command, meaning in view.commands]
    return [section(f"*{view.title}*\n" + "\n".join(lines))]


def _message(view: MessageView) -> list[Block]:
    return [section(escape(view.text))]


def _confirm(view: ConfirmView) -> list[Block]:
    pressed = {**button(view.label, FORGET, view.value), "style": "danger"}
    return [section(escape(view.text)), {"type": "actions", "elements": [pressed]}]


RENDERERS: Mapping[type, Callable[[Any], list[Block]]] = {
    TraceListView: _list,
    TraceView: _tree,
    StatsView: _stats,
    DigestView: _digest,
    CostView: _costs,
    FailuresView: _failures,
    HealthView: _health,
    HelpView: _help,
    MessageView: _message,
    ConfirmView: _confirm,
}
