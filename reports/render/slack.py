"""A view as Slack blocks, within Slack's limits: https://docs.slack.dev/reference/block-kit."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from reports import views
from reports.render.terminal import bar

Block = dict[str, Any]

MAX_LINES = 10
MAX_SPANS = 40
SECTION = 2_900
"""Characters; Slack takes 3,000 in a section, and about 13,000 in all of a message's blocks."""

NAME, BAR = 30, 16
EMOJI = {
    "ok": ":white_check_mark:",
    "error": ":x:",
    "timeout": ":alarm_clock:",
    "abandoned": ":ghost:",
    "running": ":hourglass_flowing_sand:",
    "cancelled": ":no_entry_sign:",
    "skipped": ":zzz:",
}
SHOW, NEXT, SHARE = "trace_show", "trace_next", "trace_share"
"""The buttons' action ids; `trace_show` is followed by the place of its line."""


def render(view: views.View) -> list[Block]:
    return RENDERERS[type(view)](view)


def fallback(view: views.View) -> str:
    """The words that a notification shows."""
    return escape(getattr(view, "title", "") or getattr(view, "text", "") or "A trace")


def escape(text: str) -> str:
    """Exactly the three characters that Slack's mrkdwn takes for its own."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def section(text: str) -> Block:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:SECTION]}}


def context(text: str) -> Block:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text[:SECTION]}]}


def header(text: str) -> Block:
    return {"type": "header", "text": {"type": "plain_text", "text": text[:150], "emoji": False}}


def button(label: str, action_id: str, value: str) -> Block:
    return {
        "type": "button",
        "text": {"type": "plain_text", "text": label},
        "action_id": action_id,
        "value": value,
    }


def _list(view: views.TraceListView) -> list[Block]:
    if not view.lines:
        return [section(escape(view.empty))]
    blocks = [header(view.title)]
    for place, line in enumerate(view.lines[:MAX_LINES]):
        block = section(_line(line))
        block["accessory"] = button("Show", f"{SHOW}_{place}", line.trace_id)
        blocks.append(block)
    hidden = len(view.lines) - MAX_LINES
    if hidden > 0:
        blocks.append(context(f"… and {hidden} more, not shown here."))
    if view.next is not None:
        value = json.dumps({"words": dict(view.words), "cursor": view.next}, separators=(",", ":"))
        blocks.append({"type": "actions", "elements": [button("Next", NEXT, value[:2_000])]})
    return blocks


def _line(line: views.TraceLine) -> str:
    said = f"“{escape(line.text)}”" if line.text else f"*{escape(line.name)}*"
    facts = [line.when, line.duration, line.agent, _place(line), line.tokens, line.cost]
    second = " · ".join(fact for fact in facts if fact)
    note = f"\n_{escape(line.note)}_" if line.note else ""
    return f"{EMOJI.get(line.status, '')} {said}\n`{line.short_id}` {second}{note}"


def _place(line: views.TraceLine) -> str:
    """Names that nobody is notified by: a channel is a link, a user in `ls` is not a mention."""
    return f"<#{line.channel}>" if line.channel.startswith("C") else ""


def _tree(view: views.TraceView) -> list[Block]:
    blocks = [section(_line(view.line)), *_waterfall(view.spans)]
    blocks.append(
        {"type": "actions", "elements": [button("Share here", SHARE, view.line.trace_id)]}
    )
    return blocks


def _waterfall(spans: tuple[views.SpanLine, ...]) -> list[Block]:
    rows = [_row(span) for span in spans[:MAX_SPANS]]
    if len(spans) > MAX_SPANS:
        rows.append(f"… and {len(spans) - MAX_SPANS} more steps: tracebot show in a shell")
    blocks, text = [], ""
    for row in rows:
        if len(text) + len(row) > SECTION - 10:
            blocks.append(section(f"```{text}```"))
            text = ""
        text += row + "\n"
    return [*blocks, section(f"```{text}```")][:3]


def _row(span: views.SpanLine) -> str:
    name = f"{'  ' * min(span.depth, 6)}{span.name}"
    name = name if len(name) <= NAME else f"{name[: NAME - 1]}…"
    bars = bar(span.start, span.width, BAR)
    row = f"{span.icon} {name:<{NAME}} {span.duration:>8} {bars}"
    facts = span.facts if len(span.facts) <= 90 else f"{span.facts[:89]}…"
    return escape(f"{row}  {facts}".rstrip().replace("```", "'''"))


def _stats(view: views.StatsView) -> list[Block]:
    names = (view.by or "", "traces", "errors", "rate", "p50", "p95", "p99", "cost")
    rows = [names, *(_cells(line) for line in view.lines[:30]), _cells(view.total)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(names))]
    lines = [
        "  ".join(
            cell.ljust(width) if not column else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    blocks = [header(view.title), section(f"```{escape(chr(10).join(lines))[:SECTION]}```")]
    if view.total.tokens:
        blocks.append(context(escape(view.total.tokens)))
    return blocks


def _cells(line: views.StatsLine) -> tuple[str, ...]:
    key = line.key if len(line.key) <= 40 else f"{line.key[:39]}…"
    return (
        *(key, line.traces, line.errors, line.error_rate),
        *(line.p50, line.p95, line.p99, line.cost),
    )


def _digest(view: views.DigestView) -> list[Block]:
    if view.quiet:
        return [header(view.title), section("Nothing: nobody asked them anything.")]
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
        blocks.append(context(escape(f"Left alone: {left}.")))
    for place, line in enumerate(view.failed):
        block = section(_line(line))
        block["accessory"] = button("Show", f"{SHOW}_{place}", line.trace_id)
        blocks.append(block)
    return blocks


def _agents(lines: tuple[views.StatsLine, ...]) -> list[Block]:
    said = [
        f"*{escape(line.key)}*  {line.traces} turns, {line.errors} failed, "
        f"p50 {line.p50}, p95 {line.p95}, cost {line.cost}"
        for line in lines[:20]
    ]
    return [section("\n".join(said))]


def _health(view: views.HealthView) -> list[Block]:
    return [section("\n".join(f"*{name}*  {escape(value)}" for name, value in view.facts))]


def _help(view: views.HelpView) -> list[Block]:
    lines = [f"`/trace {words}`  {escape(meaning)}" for words, meaning in view.commands]
    return [section(f"*{view.title}*\n" + "\n".join(lines))]


def _message(view: views.MessageView) -> list[Block]:
    return [section(escape(view.text))]


RENDERERS: Mapping[type, Callable[[Any], list[Block]]] = {
    views.TraceListView: _list,
    views.TraceView: _tree,
    views.StatsView: _stats,
    views.DigestView: _digest,
    views.HealthView: _health,
    views.HelpView: _help,
    views.MessageView: _message,
}
