"""Issues, most frequent first, each with buttons to its latest trace and to change its state."""

from reports.render.block_kit import (
    ISSUE,
    KEY,
    PART,
    SHOW,
    Block,
    actions,
    button,
    clipped,
    escape,
    header,
    note,
    period_buttons,
    section,
)
from reports.units import duration_text
from reports.views.failures import LATER, FailureLine, FailuresView

MAX_LINES = 10
FILTERS = 80
"""Characters of the filters in a button: two of each line have to fit into a message."""

NARROWER = "a shorter period or a filter, as in `/trace errors agent:claude`, lists fewer."

STATES = {
    "new": ":new: new",
    "known": "known",
    "returned": ":leftwards_arrow_with_hook: back again",
    "resolved": ":white_check_mark: ",
    "muted": ":mute: ",
}
"""The words for each state; of the last two, who changed it and when follows."""


def failures(view: FailuresView) -> list[Block]:
    period = duration_text(view.until - view.since)
    periods = actions(*period_buttons(view.again, period))
    if not view.lines:
        return [section(escape(view.empty)), *periods]
    blocks = [header(view.title)]
    filters = f"{view.again.removeprefix('errors').lstrip()} since:{period}".lstrip()
    for place, line in enumerate(view.lines[:MAX_LINES]):
        blocks += [section(_failure(line)), _actions(line, place, filters)]
    if (hidden := len(view.lines) - MAX_LINES) > 0:
        blocks += note(f"{hidden} rarer errors: {NARROWER}")
    return [*blocks, *note(view.note), {"type": "divider"}, *periods]


def _failure(line: FailureLine) -> str:
    who = f" · {clipped(escape(line.agent), KEY)}" if line.agent else ""
    times = "once" if line.traces == "1" else f"{line.traces} times"
    times += f" ({line.count} in all)" if line.count != line.traces else ""
    where = clipped(escape(line.where), KEY)
    message = f"\n_{clipped(escape(line.message), PART)}_" if line.message else ""
    first = f"first {line.first}, last " if line.first != line.when else ""
    return (
        f"*{clipped(escape(line.error_type), KEY)}*{who} · {times} {line.chart}{message}\n"
        f"{_state(line)} · {first}{line.when} in {where} · issue `{line.short_id}`"
    )


def _state(line: FailureLine) -> str:
    if line.state in LATER:
        return STATES[line.state] + clipped(escape(line.changed), KEY * 2)
    return STATES[line.state]


def _actions(line: FailureLine, place: int, filters: str) -> Block:
    filters = filters if len(filters) <= FILTERS else ""
    changes = [
        button(change.capitalize(), f"{ISSUE}_{change}_{place}", f"{change} {line.id} {filters}")
        for change in (("reopen",) if line.state in LATER else ("resolve", "mute"))
    ]
    show = button("Show", f"{SHOW}_{place}", line.trace_id)
    return {"type": "actions", "elements": [show, *changes]}
