"""Alerts: the list of the rules, and the messages of one of them."""

from reports.render.block_kit import (
    ALERT_ACKNOWLEDGE,
    ALERT_ADD,
    ALERT_SNOOZE,
    KEY,
    NOTE,
    RUN,
    Block,
    button,
    clipped,
    context,
    escape,
    section,
)
from reports.views.alerts import AlertLine, AlertsView, AlertView

SHOWN = 20
MARKS = {"ok": "✅", "no_data": "⚪", "warning": "⚠️", "alert": "🔴", "test": "🔔"}
LEVELS = {"no data": "no_data"}
SNOOZE = "2h"
"""How long the button silences an alert; the command takes any time."""


def alerts(view: AlertsView) -> list[Block]:
    adds: Block = {"type": "actions", "elements": [button("Add", ALERT_ADD, "add")]}
    if not view.lines:
        return [section(escape(view.empty)), adds]
    blocks = [section(f"*{escape(view.title)}*"), *map(_line, view.lines[:SHOWN])]
    if hidden := max(len(view.lines) - SHOWN, 0):
        blocks.append(context(f"{hidden} more: `tracebot alerts` in a shell lists all."))
    return [*blocks, adds]


def _line(line: AlertLine) -> Block:
    mark = MARKS[LEVELS.get(line.level, line.level)]
    value = f": *{escape(line.value)}*" if line.value else ""
    facts = [f"{line.level} · changed {line.since}", line.place, line.note]
    said = clipped(escape(" · ".join(filter(None, facts))), NOTE // 3)
    rule = clipped(escape(line.rule.replace("`", "'")), NOTE // 3)
    return section(
        f"{mark} {clipped(escape(line.what), 3 * KEY)}{value}\n`{line.id}` `{rule}`\n{said}"
    )


def alert(view: AlertView) -> list[Block]:
    blocks = [
        section(f"{MARKS[view.level]} *{clipped(escape(view.title), NOTE)}*"),
        context(clipped(escape(view.facts), NOTE)),
    ]
    buttons = []
    if view.acknowledges:
        buttons.append(button("Acknowledge", ALERT_ACKNOWLEDGE, view.rule.id))
    if view.shows and view.level in ("warning", "alert"):
        buttons.append(button(f"Snooze {SNOOZE}", ALERT_SNOOZE, view.rule.id))
    if view.shows:
        buttons.append(button("Show traces", RUN, view.shows))
    return [*blocks, {"type": "actions", "elements": buttons}] if buttons else blocks
