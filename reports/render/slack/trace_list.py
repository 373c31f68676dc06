"""Lists of traces: one section a trace, with a button."""

from collections.abc import Iterable, Iterator

from reports.render.block_kit import (
    KEY,
    PART,
    RUN,
    SHOW,
    STOP,
    Block,
    button,
    clipped,
    context,
    escape,
    header,
    section,
)
from reports.views.trace_list import TraceLine, TraceListView

MAX_LINES = 10
BUTTON_VALUE = 2_000
EMOJI = {
    "ok": ":white_check_mark:",
    "error": ":x:",
    "timeout": ":alarm_clock:",
    "abandoned": ":ghost:",
    "running": ":hourglass_flowing_sand:",
    "cancelled": ":no_entry_sign:",
    "skipped": ":zzz:",
}


def trace_list(view: TraceListView) -> list[Block]:
    if not view.lines:
        return [section(escape(view.empty))]
    # A thread is listed oldest first, but people ask about its end; other lists begin with it.
    lines = view.lines[-MAX_LINES:] if view.kind == "thread" else view.lines[:MAX_LINES]
    blocks = [header(view.title), *trace_lines(lines, kind=view.kind)]
    if hidden := len(view.lines) - len(lines):
        which = "earlier" if view.kind == "thread" else "more"
        blocks.insert(1, context(f"{hidden} {which}: see tracebot {view.kind} in a shell."))
    value = f"{view.again} --cursor {view.next}"
    if view.next is not None and len(value) <= BUTTON_VALUE:
        blocks.append({"type": "actions", "elements": [button("Next", f"{RUN}_next", value)]})
    return blocks


def trace_lines(lines: Iterable[TraceLine], *, kind: str = "ls") -> Iterator[Block]:
    label, action_id = ("Stop", STOP) if kind == "ps" else ("Show", SHOW)
    for place, line in enumerate(lines):
        pressed = button(label, f"{action_id}_{place}", line.trace_id)
        yield {**section(trace_line(line)), "accessory": pressed}


def trace_line(line: TraceLine) -> str:
    text, name = clipped(escape(line.text), PART), clipped(escape(line.name), PART)
    said = f"“{text}”" if line.text else f"*{name}*"
    agent = clipped(escape(line.agent), KEY)
    facts = [line.when, line.duration, agent, place_of(line), line.tokens, line.cost]
    second = " · ".join(fact for fact in facts if fact)
    note = f"\n_{clipped(escape(line.note), PART)}_" if line.note else ""
    return f"{EMOJI.get(line.status, '')} {said}\n`{line.short_id}` {second}{note}"


def place_of(line: TraceLine) -> str:
    """Link the channel, which notifies nobody. A user would be notified by a mention."""
    return f"<#{line.channel}>" if line.channel.startswith("C") else ""
