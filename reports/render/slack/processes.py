"""The processes of a bot: one paragraph each."""

from reports.render.block_kit import KEY, Block, clipped, escape, paragraphs
from reports.views.processes import ProcessesView, ProcessLine

ICONS = {
    "connected": ":large_green_circle:",
    "not connected": ":large_yellow_circle:",
    "stopped": ":white_circle:",
    "gone": ":red_circle:",
}

PROBLEM = 200
"""Letters of how Slack reaches a process, or why it does not."""


def processes(view: ProcessesView) -> list[Block]:
    lines = [_line(line) for line in view.lines]
    return paragraphs(view.title, lines, empty=view.empty, command="ps --processes")


def _line(line: ProcessLine) -> str:
    host, version = clipped(escape(line.host), KEY), clipped(escape(line.version), KEY)
    doing = f" · {line.doing}" if line.doing else ""
    return (
        f"{ICONS[line.state]} *{host}* · pid {line.pid} · {version}{doing}\n"
        f"{clipped(escape(line.slack), PROBLEM)} · started {line.since} · seen {line.seen}"
    )
