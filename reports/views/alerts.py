"""Alerts as text: the list of the rules, and the messages of one of them."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, get_args

from reports import formatting
from reports.alerts.grammar import Condition, stored_condition
from reports.alerts.measures import HOUR_NS, OF_THE_BOT
from reports.errors import UsageError
from reports.units import duration_text, length_text
from storage.model.span import FAILED_STATUSES, Status

if TYPE_CHECKING:
    from storage.coordination.alert_rules import AlertRule, AlertState

NameOf = Callable[[str, str], str]
"""Names a key of a dimension: users and channels have ids."""

ICONS: Mapping[str, str] = {"ok": "✓", "no_data": "–", "warning": "⚠", "alert": "✗"}
WORDS: Mapping[str, str] = {
    "ok": "ok",
    "no_data": "no data",
    "warning": "warning",
    "alert": "alert",
}
NAME = 80
BAD = frozenset(("warning", "alert"))
NOT_FAILED = [f"-status:{each}" for each in get_args(Status) if each not in FAILED_STATUSES]
"""The filters that leave the traces that count as failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertLine:
    """One rule as text. `place` is the channel of its messages, `note` what holds it back.

    `acknowledges` says if it waits for somebody; `shows` is the command that shows what it counts.
    """

    id: str
    icon: str
    level: str
    what: str
    value: str
    rule: str
    place: str
    since: str
    note: str
    acknowledges: bool
    shows: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertsView:
    """The rules as text; `values` are the raw ones, in the same order."""

    title: str
    lines: tuple[AlertLine, ...]
    values: tuple[tuple[AlertRule, AlertState], ...]
    empty: str = (
        'No alert is set up. Add one: `alerts add "error_rate>20%" agent:claude over:1h`; in a '
        "shell also `in:CHANNEL`."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertView:
    """A message of an alert. `shows` is the command of *Show traces*, if it has any."""

    rule: AlertRule
    level: str
    title: str
    facts: str
    shows: str = ""
    acknowledges: bool = False


def alerts_view(
    found: Iterable[tuple[AlertRule, AlertState]],
    *,
    now: int,
    name_of: NameOf = lambda by, key: key,
) -> AlertsView:
    values = tuple(found)
    lines = tuple(_line(rule, state, now, name_of) for rule, state in values)
    bad = sum(state.level in BAD for _, state in values)
    count = "1 alert" if len(lines) == 1 else f"{len(lines)} alerts"
    return AlertsView(
        title=f"{count}, {bad} of them not ok" if bad else f"{count}, all ok",
        lines=lines,
        values=values,
    )


def _line(rule: AlertRule, state: AlertState, now: int, name_of: NameOf) -> AlertLine:
    line = AlertLine(
        id=rule.id,
        icon=ICONS["no_data"],
        level=WORDS["no_data"],
        what="Unknown measure",
        value="",
        rule=rule.condition,
        place=_named("channel", rule.channel, name_of),
        since=formatting.ago(state.since, now=now),
        note="not evaluated: this version of tracebot cannot read the rule",
        acknowledges=False,
        shows="",
    )
    try:
        condition = stored_condition(rule.condition)
    except UsageError:
        return line
    return replace(
        line,
        icon=ICONS[state.level],
        level=WORDS[state.level],
        what=subject(condition, name_of),
        value=shown_value(condition, state.value),
        note=_note(rule, state, now, name_of),
        acknowledges=state.level in BAD and not state.acknowledged_by,
        shows=shows(condition),
    )


def _note(rule: AlertRule, state: AlertState, now: int, name_of: NameOf) -> str:
    notes = []
    if state.snoozed_until > now:
        notes.append(f"silent for {_length(state.snoozed_until - now)}")
    if state.acknowledged_by and state.level in BAD:
        notes.append(f"acknowledged by {_named('user', state.acknowledged_by, name_of)}")
    if rule.in_file:
        notes.append("from the agents file")
    return "; ".join(notes)


def _named(by: str, key: str, name_of: NameOf) -> str:
    return formatting.shortened(name_of(by, key), NAME)


def subject(condition: Condition, name_of: NameOf) -> str:
    """Return what is measured, and of whom: `Error share of claude`."""
    if condition.dimension == "all":
        return condition.of.title
    return f"{condition.of.title} of {_named(condition.dimension, condition.key, name_of)}"


def shown_value(condition: Condition, value: float | None) -> str:
    """Return a figure as people read it, nothing for a state that has none."""
    if not condition.of.example or (condition.measure == "running" and not value):
        return ""  # A state has no figure, nor has the oldest turn if none runs.
    return formatting.UNKNOWN if value is None else condition.of.unit.shown(value)


def limit_text(condition: Condition) -> str:
    """Return the limits and the window: `alert above 20%, warning above 10%, over 1h`.

    A state has none: its title says since when it is.
    """
    parts = []
    if condition.of.example:
        side = "above" if condition.above else "below"
        parts.append(f"alert {side} {condition.of.unit.shown(condition.limit)}")
        if condition.warning is not None:
            parts.append(f"warning {side} {condition.of.unit.shown(condition.warning)}")
        if condition.window_ns:
            parts.append(f"over {duration_text(condition.window_ns)}")
    return ", ".join(parts)


def alert_view(
    rule: AlertRule, state: AlertState, *, now: int, name_of: NameOf, is_reply: bool = False
) -> AlertView:
    """Return the message that tells how an alert is: the first of its thread, or a reply."""
    condition = stored_condition(rule.condition)
    if state.told not in BAD:  # Nothing is told when a silence ends then, which would update this.
        state = replace(state, snoozed_until=0)
    facts = [
        limit_text(condition),
        _lasting(state, now) if is_reply else _note(rule, state, now, name_of),
    ]
    return AlertView(
        rule=rule,
        level=state.told,
        title=_title(condition, state, name_of),
        facts=" · ".join([*filter(None, facts), f"alert {rule.id}"]),
        shows="" if is_reply else shows(condition),
        acknowledges=state.told in BAD and not is_reply and not state.acknowledged_by,
    )


def _lasting(state: AlertState, now: int) -> str:
    """Return for how long an alert has not been ok. Only a reply says it: nobody updates it."""
    if state.told not in BAD or state.begun_at is None:
        return ""
    return f"not ok for {_length(now - state.begun_at)}"


def _title(condition: Condition, state: AlertState, name_of: NameOf) -> str:
    what = subject(condition, name_of)
    now = "" if state.value is None else shown_value(condition, state.value)
    if state.told in BAD and not condition.of.example:
        return _state_title(condition, name_of)
    if state.told in BAD:
        none = "no data now" if state.value is None else "none runs now"
        return f"{what}: {now or none}"
    lasted = "" if state.begun_at is None else f" after {_length(state.since - state.begun_at)}"
    if state.told == "no_data":
        return f"{what}: no data any more{lasted}"
    return f"{what}: ok again{lasted}{f', now {now}' if now else ''}"


def _state_title(condition: Condition, name_of: NameOf) -> str:
    whose = _named(condition.dimension, condition.key, name_of) if condition.key else ""
    if condition.measure == "no_data":
        of = f" of {whose}" if whose else ""
        return f"No turn{of} in {_length(condition.window_ns)}"
    if condition.measure == "agent_check":
        return f"{whose or 'An agent'} cannot be started: see tracebot agents"
    return "The database has a problem: see /trace health"


def _length(ns: int) -> str:
    """Return a period of whole minutes: `45 min`, `2 h 05 min`, `3 d 4 h`."""
    minutes = max(round(ns / 60e9), 1)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {rest:02} min" if rest else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def shows(condition: Condition) -> str:
    """Return the command that shows what an alert is about."""
    if condition.measure in OF_THE_BOT:
        return ""
    whose = [] if condition.dimension == "all" else [f"{condition.dimension}:{condition.key}"]
    if condition.measure == "running":
        return shlex.join(["ps", *whose])
    window = condition.window_ns
    if window >= HOUR_NS and condition.measure != "first_token":
        window += HOUR_NS  # Figures by the hour begin up to an hour earlier, at a full one.
    side = ">" if condition.above else "<"
    only = {
        "error_rate": NOT_FAILED,
        "thumbs_down": ["feedback:down"],
        "p95": [f"duration{side}{length_text(round(condition.limit))}"],
    }.get(condition.measure, [])
    return shlex.join(["ls", *only, *whose, f"since:{duration_text(window)}"])


def trial_view(rule: AlertRule, state: AlertState, *, name_of: NameOf) -> AlertView:
    """Return the message that shows that alerts arrive here."""
    condition = stored_condition(rule.condition)
    now = shown_value(condition, state.value)
    measured = f" It is {now} now." if now and state.value is not None else ""
    return AlertView(
        rule=rule,
        level="test",
        title=f"Test: alerts about “{subject(condition, name_of)}” arrive here.{measured}",
        facts=f"{limit_text(condition) or rule.condition} · alert {rule.id}",
    )
