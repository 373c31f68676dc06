"""An alert speaks only when it changes, and a change must hold."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from reports.alerts.changes import HOLD, LEVELS, QUIET, advance
from reports.views.alerts import alert_view
from storage.coordination.alert_rules import AlertRule, AlertState, Level

MINUTE = 60 * 1_000_000_000


def after(measured: str, **known: object) -> list[AlertState]:
    """Return the states after each of the measured levels: o, n, w and a for ok to alert."""
    levels = {"o": "ok", "n": "no_data", "w": "warning", "a": "alert"}
    return run([levels[each] for each in measured], **known)  # type: ignore[misc]


def run(levels: list[Level], **known: object) -> list[AlertState]:
    state = AlertState(rule_id="1", **known)  # type: ignore[arg-type]
    states = []
    for minute, level in enumerate(levels, 1):
        state = advance(state, level, None, now=minute * MINUTE)
        states.append(state)
    return states


def spoken(measured: str, **known: object) -> list[tuple[int, str]]:
    """Return the minutes in which an alert spoke, and what it told."""
    states = after(measured, **known)
    before = [0, *(state.seq for state in states)]
    return [
        (minute, state.told)
        for minute, (state, seq) in enumerate(zip(states, before, strict=False), 1)
        if state.seq > seq
    ]


def test_it_speaks_when_a_level_has_held_and_when_it_is_ok_again() -> None:
    assert spoken("oooaaaaaaooooo") == [(6, "alert"), (12, "ok")]


def test_a_night_without_turns_does_not_count_as_part_of_the_alert_before_it() -> None:
    rule = AlertRule(
        id="a1b2",
        team="T1",
        channel="C1",
        condition="error_rate>20% over:1h",
        created_by="U1",
        created_at=0,
    )

    def title(measured: str) -> str:
        state, now = after(measured)[-1], len(measured) * MINUTE
        return alert_view(rule, state, now=now, name_of=lambda by, key: key).title

    assert title("aaaooo") == "Error share: ok again after 3 min"
    assert title("aaannn") == "Error share: no data any more after 3 min"
    for later in ("aaaooo" + 600 * "n", "aaannn" + 600 * "o", "aaaooo" + 600 * "n" + "ooo"):
        assert " after " not in title(later)


def test_a_short_peak_is_not_told() -> None:
    assert spoken("oooaaoaaoaoaoao") == []


def test_what_swings_between_warning_and_alert_is_a_warning() -> None:
    assert spoken("oooawawawawawawa") == [(6, "warning")]


def test_a_night_without_questions_is_not_told() -> None:
    assert spoken("ooonnnnnnnnooooo") == []


def test_data_that_end_during_an_alert_are_told() -> None:
    assert spoken("aaaannnnoooo") == [(3, "alert"), (7, "no_data")]


def test_a_silenced_alert_tells_afterwards_what_is_still_wrong() -> None:
    assert spoken("aaaaaaaaaa", snoozed_until=6 * MINUTE) == [(6, "alert")]
    assert spoken("aaaoooooooo", snoozed_until=10 * MINUTE) == []


def snoozed(measured: str, *, at: int, until: int) -> tuple[list[tuple[int, str, int]], AlertState]:
    """Return what is told and in which thread, if somebody silences a posted alert; and the end.

    A thread is named after the minute of its first message.
    """
    levels = {"o": "ok", "a": "alert"}
    state, told = AlertState(rule_id="1"), []
    for minute, each in enumerate(measured, 1):
        before = state
        state = advance(state, levels[each], None, now=minute * MINUTE)  # type: ignore[arg-type]
        if state.seq > before.seq:
            state = replace(state, thread_ts=state.thread_ts or str(minute))
            told.append((minute, state.told, int(state.thread_ts)))
        if minute == at:
            state = replace(state, snoozed_until=until * MINUTE)
    return told, state


def test_an_alert_that_was_told_speaks_again_after_a_snooze_in_its_thread() -> None:
    told, state = snoozed("aaaaaaaaaaaaaaooo", at=4, until=9)
    assert told == [(3, "alert", 3), (9, "alert", 3), (17, "ok", 3)]
    assert state.snoozed_until == 0
    assert snoozed("aaaaoooooooooo", at=4, until=9)[0] == [(3, "alert", 3), (9, "ok", 3)]


def test_an_alert_that_comes_back_during_a_snooze_goes_on_in_its_thread() -> None:
    told, state = snoozed("aaaaooooaaaaaaaaaaooo", at=4, until=14)
    assert told == [(3, "alert", 3), (14, "alert", 3), (21, "ok", 3)]
    assert state.begun_at == 3 * MINUTE, "its end was not told"


def test_an_incident_keeps_its_beginning_and_the_next_one_gets_a_new_thread() -> None:
    first = after("aaa")[-1]
    assert (first.begun_at, first.since) == (3 * MINUTE, 3 * MINUTE)
    ended = after("aaaooo", thread_ts=None)[-1]
    assert (ended.begun_at, ended.since) == (3 * MINUTE, 6 * MINUTE)
    again = after("aaa", thread_ts="1.1", begun_at=1, acknowledged_by="U1")[-1]
    assert (again.thread_ts, again.acknowledged_by, again.begun_at) == (None, None, 3 * MINUTE)


@given(st.lists(st.sampled_from(LEVELS), max_size=60))
def test_whatever_is_measured_it_speaks_only_of_changes_that_held(levels: list[Level]) -> None:
    states = [AlertState(rule_id="1"), *run(levels)]
    changed, said = 0, 0
    for minute, (before, state) in enumerate(zip(states, states[1:], strict=False), 1):
        assert state.seq - before.seq in (0, 1)
        if state.level != before.level:
            assert minute - changed >= HOLD, "it changes back no faster than that"
            held = [LEVELS.index(each) for each in levels[minute - HOLD : minute]]
            new, old = LEVELS.index(state.level), LEVELS.index(before.level)
            assert all(rank >= new if new > old else rank <= new for rank in held)
            changed = minute
        if state.seq > before.seq:
            assert state.told == state.level != before.told
            assert not {state.told, before.told} <= QUIET
            assert minute - said >= HOLD
            said = minute
        assert state.told == state.level, "nothing that held is kept back"
