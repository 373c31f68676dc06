"""Store the rules of alerts, and how each of them is doing.

Processes share this state. The one that evaluates the rules changes it in one transaction that
begins with IMMEDIATE, and counts in `seq` the changes to be told. Posting comes after it: a process
that dies in between leaves a row with `posted` < `seq`, by which the next one knows what is left.
"""

import secrets
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from peewee import EXCLUDED, fn

from storage.database.base import Database
from storage.database.models import AlertRuleRow, AlertStateRow, TraceRow
from storage.database.statements import Statement, compiled, insert
from storage.database.transactions import transaction

Level = Literal["ok", "no_data", "warning", "alert"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRule:
    """A rule whose alert is posted in `channel`. `created_at` is in nanoseconds.

    `condition` is in the words of `reports.alerts.grammar`. `in_file` is True for a rule of
    the agents file, where alone it can be changed.
    """

    id: str
    team: str
    channel: str
    condition: str
    created_by: str
    created_at: int
    in_file: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertState:
    """How a rule is doing. Times are in nanoseconds.

    `recent` are the levels that were measured last. `level` is that of the rule `since` then, and
    `told` the one that was last told. `begun_at` is when the rule left ok; None before that, and
    once the level has changed after the end. The incident's messages are in the thread `thread_ts`.
    What was counted in `seq` and `tests`, not in `posted` and `tests_posted`, is still to be said.
    """

    rule_id: str
    level: Level = "ok"
    told: Level = "ok"
    recent: tuple[Level, ...] = ()
    value: float | None = None
    since: int = 0
    begun_at: int | None = None
    seq: int = 0
    posted: int = 0
    tests: int = 0
    tests_posted: int = 0
    thread_ts: str | None = None
    acknowledged_by: str | None = None
    snoozed_until: int = 0


Change = Callable[[AlertState], AlertState]


def new_rule_id() -> str:
    """Return four hex digits, which people type."""
    return secrets.token_hex(2)


def add_rule(database: Database, rule: AlertRule, *, test: bool = True) -> bool:
    """Store a rule, and with `test` a message that says so. Return False if its id is taken."""
    row = {name: getattr(rule, name) for name in AlertRule.__slots__}
    with transaction(database):
        new = AlertRuleRow.insert(**row).on_conflict_ignore()
        if not new.as_rowcount().execute(database):
            return False
        state = AlertState(rule_id=rule.id, since=rule.created_at, tests=int(test))
        _put_states(database, [state])
    return True


def remove_rule(database: Database, rule_id: str) -> bool:
    """Remove a rule with its state; return False if there is none of this id."""
    with transaction(database):
        AlertStateRow.delete().where(AlertStateRow.rule_id == rule_id).execute(database)
        delete = AlertRuleRow.delete().where(AlertRuleRow.id == rule_id)
        return bool(delete.execute(database))


def alert_rules(
    database: Database, *, team: str | None = None, ids: Collection[str] | None = None
) -> tuple[AlertRule, ...]:
    """Return the rules of a workspace, or of all, by channel, the oldest first."""
    query = AlertRuleRow.select().order_by(
        AlertRuleRow.channel, AlertRuleRow.created_at, AlertRuleRow.id
    )
    if team is not None:
        query = query.where(AlertRuleRow.team == team)
    if ids is not None:
        query = query.where(AlertRuleRow.id.in_(list(ids)))
    return tuple(
        AlertRule(**{**row, "in_file": bool(row["in_file"])})
        for row in query.dicts().execute(database)
    )


def alert_states(database: Database) -> dict[str, AlertState]:
    """Return the state of each rule by its id."""
    rows = AlertStateRow.select().dicts().execute(database)
    return {row["rule_id"]: _state(row) for row in rows}


def change_states(database: Database, changes: dict[str, Change]) -> int:
    """Change the states of these rules in one transaction. Return how many became different.

    A rule that was removed meanwhile has none.
    """
    with transaction(database):
        before = alert_states(database)
        after = [change(before[id]) for id, change in changes.items() if id in before]
        changed = [state for state in after if state != before[state.rule_id]]
        _put_states(database, changed)
    return len(changed)


def change_state(database: Database, rule_id: str, change: Change) -> bool:
    """Change the state of one rule; return False if there is no such rule."""
    with transaction(database):
        row = AlertStateRow.select().where(AlertStateRow.rule_id == rule_id).dicts()
        for found in list(row.execute(database)):
            _put_states(database, [change(_state(found))])
            return True
    return False


def note_posted(database: Database, rule_id: str, *, seq: int, thread_ts: str) -> None:
    """Note that a change was told, in this thread."""
    change_state(
        database,
        rule_id,
        # Another process may have told a later one meanwhile.
        lambda state: (
            replace(state, posted=max(state.posted, seq), thread_ts=thread_ts)
            if seq >= state.posted
            else state
        ),
    )


def note_tested(database: Database, rule_id: str, *, tests: int) -> None:
    """Note that a test message was posted."""
    change_state(
        database,
        rule_id,
        lambda state: replace(state, tests_posted=max(state.tests_posted, tests)),
    )


def replace_file_rules(database: Database, team: str, rules: Sequence[AlertRule]) -> bool:
    """Make the rules of the agents file those that are stored; return whether any changed."""
    stored = [rule for rule in alert_rules(database, team=team) if rule.in_file]
    known, wanted = {rule.id for rule in stored}, {rule.id for rule in rules}
    for rule in rules:
        if rule.id not in known:
            add_rule(database, rule)
    for gone in known - wanted:
        remove_rule(database, gone)
    return known != wanted


def workspace_of(database: Database, channel: str) -> str | None:
    """Return the workspace that a channel belongs to, as far as a trace of it tells."""
    query = TraceRow.select(fn.MAX(TraceRow.team)).where(TraceRow.channel == channel)
    return next((team for (team,) in query.tuples().execute(database)), None)


def _put_states(database: Database, states: Iterable[AlertState]) -> None:
    PUT_STATES.execute_many(database, [_values(state) for state in states])


def _values(state: AlertState) -> tuple[object, ...]:
    return tuple(
        " ".join(state.recent) if name == "recent" else getattr(state, name)
        for name in AlertState.__slots__
    )


def _state(row: dict[str, object]) -> AlertState:
    return AlertState(**{**row, "recent": tuple(str(row["recent"]).split())})  # type: ignore[arg-type]


def _put(database: Database) -> str:
    names = AlertState.__slots__
    update = {getattr(AlertStateRow, name): getattr(EXCLUDED, name) for name in names}
    put = insert(AlertStateRow, names).on_conflict(
        conflict_target=[AlertStateRow.rule_id], update=update
    )
    return compiled(put, database)


PUT_STATES = Statement(_put)
"""Compiled once: a thousand states are stored while no other process can write."""
