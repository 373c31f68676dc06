"""The processes of a bot: where each runs, if Slack reaches it, and what it does."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reports import formatting
from storage.coordination.accepted_messages import WAITING
from storage.coordination.heartbeats import Heartbeat

MODES = {"socket": "Socket Mode", "http": "HTTP"}

LONGEST_WORD = 40
"""Letters of a host's name, or of a version."""

EMPTY = "No bot ran with this database in the last 7 days. Start one: tracebot serve."


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessLine:
    """One process as text. `state` is `connected`, `not connected`, `stopped` or `gone`."""

    host: str
    pid: str
    version: str
    state: str
    slack: str
    since: str
    seen: str
    doing: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessesView:
    """Lines of text with their raw values; `counts` are how many turns run, and how many wait."""

    title: str
    lines: tuple[ProcessLine, ...]
    found: tuple[Heartbeat, ...]
    counts: tuple[tuple[int, int], ...]
    empty: str = EMPTY


def processes_view(
    found: Sequence[Heartbeat], messages: Mapping[str, Counter[str]], *, now: int
) -> ProcessesView:
    """Take the messages of each process by their state, and the time of the heartbeats' clock."""
    counts = tuple(_counts(messages.get(each.process, Counter())) for each in found)
    return ProcessesView(
        title="Processes",
        lines=tuple(
            _line(each, *count, now=now) for each, count in zip(found, counts, strict=True)
        ),
        found=tuple(found),
        counts=counts,
    )


def _counts(states: Counter[str]) -> tuple[int, int]:
    return states.total() - states[WAITING], states[WAITING]


def _line(heartbeat: Heartbeat, running: int, waiting: int, *, now: int) -> ProcessLine:
    return ProcessLine(
        host=_word(heartbeat.host),
        pid=str(heartbeat.pid),
        version=_word(heartbeat.version),
        state=heartbeat.state,
        slack=_slack(heartbeat),
        since=formatting.ago(heartbeat.started_at, now=now),
        seen=formatting.ago(heartbeat.seen_at, now=now),
        doing=_doing(running, waiting) if heartbeat.is_there else "",
    )


def _word(text: str) -> str:
    return formatting.shortened(text, LONGEST_WORD)


def _slack(heartbeat: Heartbeat) -> str:
    if not heartbeat.is_there:
        return "stopped" if heartbeat.state == "stopped" else "ended without being stopped"
    if not heartbeat.mode:
        return "starting"
    said = f"{MODES.get(heartbeat.mode, heartbeat.mode)}, {heartbeat.state}"
    return f"{said}: {formatting.shortened(heartbeat.problem, 120)}" if heartbeat.problem else said


def _doing(running: int, waiting: int) -> str:
    turns = {0: "idle", 1: "1 turn"}.get(running, f"{running} turns")
    return f"{turns}, {waiting} waiting" if waiting else turns
