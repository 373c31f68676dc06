"""The processes of a bot: one paragraph each, which a phone shows as well as a desktop."""

from reports.render.block_kit import KEY, Block, clipped, context, escape, header, section
from reports.views.processes import ProcessesView, ProcessLine

ICONS = {
    "connected": ":large_green_circle:",
    "not connected": ":large_yellow_circle:",
    "stopped": ":white_circle:",
    "gone": ":red_circle:",
}

PROBLEM = 200
"""Letters of how Slack reaches a process, or why it does not."""

SHOWN = 20
"""More would not fit into a message, whatever they are called."""


def processes(view: ProcessesView) -> list[Block]:
    if not view.lines:
        return [header(view.title), section(escape(view.empty))]
    blocks = [header(view.title), *(section(_line(line)) for line in view.lines[:SHOWN])]
    if (hidden := len(view.lines) - SHOWN) > 0:
        blocks.append(context(f"{hidden} more: `tracebot ps --processes` in a shell lists them."))
    return blocks


def _line(line: ProcessLine) -> str:
    host, version = clipped(escape(line.host), KEY), clipped(escape(line.version), KEY)
    doing = f" · {line.doing}" if line.doing else ""
    return (
        f"{ICONS[line.state]} *{host}* · pid {line.pid} · {version}{doing}\n"
        f"{clipped(escape(line.slack), PROBLEM)} · started {line.since} · seen {line.seen}"
    )
