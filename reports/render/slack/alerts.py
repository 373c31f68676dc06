"""Alerts: the list of the rules, and the messages of one of them."""

from collections.abc import Iterator, Sequence
from itertools import chain

from reports.render.block_kit import (
    ALERT_ACKNOWLEDGE,
    ALERT_ADD,
    ALERT_SNOOZE,
    KEY,
    NOTE,
    RUN,
    Block,
    actions,
    button,
    clipped,
    context,
    escape,
    fitting,
    section,
)
from reports.views.alerts import AlertLine, AlertsView, AlertView

SHOWN = 16
MOST = 12_000
"""Characters of the lines as JSON. A message may have some 13,000."""
MARKS = {"ok": "✅", "no_data": "⚪", "warning": "⚠️", "alert": "🔴", "test": "🔔"}
LEVELS = {"no data": "no_data"}
SNOOZE = "2h"
"""How long the button silences an alert; the command takes any time."""

ADD = actions(button("Add", ALERT_ADD, "add"))


def alerts(view: AlertsView) -> list[Block]:
    if not view.lines:
        return [section(escape(view.empty)), *ADD]
    shown = fitting(alert_lines(view.lines[:SHOWN]), MOST)
    hidden = len(view.lines) - len(shown)
    more = [context(f"{hidden} more: `tracebot alerts` in a shell lists all.")] if hidden else []
    return [section(f"*{escape(view.title)}*"), *chain.from_iterable(shown), *more, *ADD]


def alert_lines(lines: Sequence[AlertLine]) -> Iterator[list[Block]]:
    """Yield each line with its buttons: those of an alert that waits for somebody below."""
    for place, line in enumerate(lines):
        yield _with_buttons(place, line)


def _with_buttons(place: int, line: AlertLine) -> list[Block]:
    snooze = button(f"Snooze {SNOOZE}", f"{ALERT_SNOOZE}_{place}", line.id)
    if not line.acknowledges:
        return [{**_line(line), "accessory": snooze}]
    acknowledge = button("Acknowledge", f"{ALERT_ACKNOWLEDGE}_{place}", line.id)
    shows = [button("Show traces", f"{RUN}_alert_{place}", line.shows)] if line.shows else []
    return [_line(line), *actions(acknowledge, snooze, *shows)]


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
