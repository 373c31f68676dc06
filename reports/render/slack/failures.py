"""Issues, most frequent first, each with buttons to its latest trace and to change its state."""

from itertools import chain

from reports.render.block_kit import (
    BUTTON_VALUE,
    ISSUE,
    KEY,
    PART,
    SHOW,
    Block,
    actions,
    button,
    clipped,
    escape,
    fitting,
    header,
    json_length,
    note,
    period_buttons,
    section,
)
from reports.views.failures import LATER, FailureLine, FailuresView

MAX_LINES = 10
MOST = 12_500
"""Characters of the lines and what is below them as JSON. A message may have some 13,000."""

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
    periods = actions(*period_buttons(view.again, view.period))
    if not view.lines:
        return [section(escape(view.empty)), *periods]
    filters = f"{view.again.removeprefix('errors').lstrip()} since:{view.period}".lstrip()
    below = [*note(view.note), {"type": "divider"}, *periods]
    lines = (
        [section(_failure(line)), _actions(line, place, filters)]
        for place, line in enumerate(view.lines[:MAX_LINES])
    )
    # Each button repeats all filters.
    shown = fitting(lines, MOST - json_length(below))
    hidden = len(view.lines) - len(shown)
    more = note(f"{hidden} rarer errors: {NARROWER}") if hidden else []
    return [header(view.title), *chain.from_iterable(shown), *more, *below]


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
    values = {
        change: f"{change} {line.id} {filters}"
        for change in (("reopen",) if line.state in LATER else ("resolve", "mute"))
    }
    changes = [
        button(change.capitalize(), f"{ISSUE}_{change}_{place}", value)
        for change, value in values.items()
        if len(value) <= BUTTON_VALUE
    ]
    show = button("Show", f"{SHOW}_{place}", line.trace_id)
    return {"type": "actions", "elements": [show, *changes]}
