"""Failures, most frequent first, each with a button to its latest trace."""

from reports.render.block_kit import (
    KEY,
    PART,
    SHOW,
    Block,
    button,
    clipped,
    escape,
    header,
    note,
    section,
)
from reports.views.failures import FailureLine, FailuresView

MAX_LINES = 10


def failures(view: FailuresView) -> list[Block]:
    if not view.lines:
        return [section(escape(view.empty))]
    blocks = [header(view.title)]
    for place, line in enumerate(view.lines[:MAX_LINES]):
        show = button("Show", f"{SHOW}_{place}", line.trace_id)
        blocks.append({**section(_failure(line)), "accessory": show})
    if (hidden := len(view.lines) - MAX_LINES) > 0:
        blocks += note(f"{hidden} rarer errors: see tracebot errors in a shell.")
    return blocks + note(view.note)


def _failure(line: FailureLine) -> str:
    who = f" · {clipped(escape(line.agent), KEY)}" if line.agent else ""
    times = "once" if line.traces == "1" else f"{line.traces} times"
    where = clipped(escape(line.where), PART)
    message = f"\n_{clipped(escape(line.message), PART)}_" if line.message else ""
    return (
        f"*{clipped(escape(line.error_type), KEY)}*{who} · {times}, last {line.when} "
        f"in {where}{message}"
    )
