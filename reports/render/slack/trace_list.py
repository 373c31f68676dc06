"""Lists of traces: one section a trace, with a button."""

from collections.abc import Iterable, Iterator

from reports.render.block_kit import (
    BUTTON_VALUE,
    KEY,
    PART,
    RUN,
    SHOW,
    STOP,
    Block,
    actions,
    button,
    clipped,
    context,
    escape,
    header,
    json_length,
    section,
    select,
)
from reports.views.trace_list import Menu, TraceLine, TraceListView

MAX_LINES = 10
MOST = 12_900
"""Characters of the blocks as JSON. A message may have some 13,000."""
SAID = 160
"""Characters, as JSON, of a line's text, and of its note."""
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
    if view.kind == "thread":  # It is listed oldest first.
        pages = [*_page("Earlier", view, view.next), *_page("Later", view, view.previous)]
    else:
        pages = [*_page("Previous", view, view.previous), *_page("Next", view, view.next)]
    filters = [context(clipped(escape(view.filters), PART))] if view.filters else []
    menus = actions(*map(_menu, view.menus))
    if not view.lines:
        return [section(escape(view.empty)), *filters, *menus, *actions(*pages)]
    lines = view.lines[:MAX_LINES]
    above = [header(view.title), *filters]
    below = [*trace_lines(lines, kind=view.kind), *actions(*pages)]
    if len(lines) < len(view.lines):
        narrower = f"a filter, as in `/trace {view.kind} agent:claude`, lists fewer"
        # How many there are is not known: only so many were read.
        below.insert(0, context(f"Only the first {len(lines)} are shown: {narrower}."))
    if json_length([*above, *menus, *below]) > MOST:
        return [*above, *below]
    return [*above, *menus, *below]


def _menu(menu: Menu) -> Block | None:
    chosen = next(n for n, each in enumerate(menu.choices) if each.is_chosen)
    options = [(each.label, each.command) for each in menu.choices]
    return select(f"{RUN}_{menu.name}", options, chosen)


def _page(label: str, view: TraceListView, cursor: str | None) -> list[Block]:
    value = f"{view.again} --cursor {cursor}"
    if cursor is None or not view.again or json_length(value) > BUTTON_VALUE:
        return []
    return [button(label, f"{RUN}_{label.lower()}", value)]


def trace_lines(lines: Iterable[TraceLine], *, kind: str = "ls") -> Iterator[Block]:
    label, action_id = ("Stop", STOP) if kind == "ps" else ("Show", SHOW)
    for place, line in enumerate(lines):
        pressed = button(label, f"{action_id}_{place}", line.trace_id)
        yield {**section(trace_line(line)), "accessory": pressed}


def trace_line(line: TraceLine) -> str:
    """Return what was asked, with a link to it, then how it went, then when and where."""
    asked = clipped(escape(line.text or line.name), SAID)
    title = f"<{escape(line.link)}|{asked}>" if line.link else f"*{asked}*"
    agent = clipped(escape(line.agent), KEY)
    thumbs = line.thumbs.replace(" ", "\N{NO-BREAK SPACE}")
    result = " · ".join(filter(None, (agent, line.duration, line.cost, thumbs)))
    where = f" in {place_of(line)}" if place_of(line) else ""
    place = f"{line.when}{where}  `{line.short_id}`"  # A phone breaks the line before the id.
    note = f"_{clipped(escape(line.note), SAID)}_" if line.note else ""
    mark = EMOJI.get(line.status, "")
    return "\n".join(filter(None, (f"{mark} {title}", result, place, note)))


def place_of(line: TraceLine) -> str:
    """Link the channel, which notifies nobody. A user would be notified by a mention."""
    return f"<#{line.channel}>" if line.channel.startswith("C") else ""
