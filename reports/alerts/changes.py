"""When an alert changes, and when it speaks: a pure function of what was measured.

A change must hold. A rule rises to the lowest level that it kept for `HOLD` evaluations, and falls
to the highest one; then it starts to look anew. So two changes are at least `HOLD` evaluations
apart, what swings between ok and alert changes nothing, and what swings between warning and alert
is a warning. Without a change, only the end of a snooze is told, if the rule is not ok then.
"""

from dataclasses import replace

from storage.coordination.alert_rules import AlertState, Level

HOLD = 3
"""Evaluations; there is one each minute."""

LEVELS: tuple[Level, ...] = ("ok", "no_data", "warning", "alert")
"""The levels by how bad they are."""

QUIET = frozenset(("ok", "no_data"))
"""Between these nobody is told: most agents are asked nothing at night."""


def advance(state: AlertState, measured: Level, value: float | None, *, now: int) -> AlertState:
    """Return the state after one more evaluation. `seq` grows by one if that is to be told."""
    recent = (*state.recent, measured)[-HOLD:]
    level = _held(state.level, recent)
    state = replace(state, recent=recent, value=value)
    if level != state.level:
        state = _changed(state, level, now)
    return _told(state, now)


def _held(level: Level, recent: tuple[Level, ...]) -> Level:
    """Return the level that *recent* ones have kept beyond *level*, or the same."""
    if len(recent) < HOLD:
        return level
    ranks = [LEVELS.index(each) for each in recent]
    rank = LEVELS.index(level)
    # The nearest level: above all that were lower, below all that were higher.
    return LEVELS[max(min(ranks), min(rank, max(ranks)))]


def _changed(state: AlertState, level: Level, now: int) -> AlertState:
    state = replace(state, recent=())
    if {state.told, state.level, level} <= QUIET:
        # How long the last alert took was told when it ended: `since` is later now.
        return replace(state, level=level, since=now, begun_at=None)
    begins = state.level in QUIET and level not in QUIET
    if not begins:
        return replace(state, level=level, since=now)
    if state.told not in QUIET:
        # Its end was not told, as during a snooze: for those who read it goes on.
        return replace(state, level=level, since=now)
    # A new incident has a thread of its own: nobody would notice it in that of an old one.
    return replace(
        state, level=level, since=now, begun_at=now, thread_ts=None, acknowledged_by=None
    )


def _told(state: AlertState, now: int) -> AlertState:
    snooze_ends = 0 < state.snoozed_until <= now
    if snooze_ends:
        state = replace(state, snoozed_until=0)
    if state.level == state.told:
        still_bad = snooze_ends and state.level not in QUIET
        return replace(state, seq=state.seq + still_bad)
    if {state.level, state.told} <= QUIET:
        return replace(state, told=state.level)
    if state.snoozed_until > now:
        return state
    return replace(state, told=state.level, seq=state.seq + 1)
