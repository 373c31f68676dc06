"""Add, test, silence and remove alerts, for Slack and for a shell."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from reports.alerts.grammar import Condition, condition_text, parse_condition
from reports.errors import CommandFailed, UsageError
from reports.units import parse_duration
from reports.views.messages import MessageView
from storage.coordination.alert_rules import (
    AlertRule,
    add_rule,
    alert_rules,
    change_state,
    new_rule_id,
    remove_rule,
    workspace_of,
)
from storage.database.base import Database
from storage.model.filters import Filters, agents_of, meant
from storage.queries.traces import recent_traces

LONGEST_SNOOZE_NS = 366 * 86_400 * 1_000_000_000
MOST_RULES = 50
"""Rules of one channel. The list of a channel should still be read."""

SYNTAX = (
    'write `alerts`, `alerts add "error_rate>20%" agent:claude over:1h`, or `alerts test`, '
    "`snooze` or `remove` with an alert's id"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Orderer:
    """The person who orders something. They may change the alerts of channels that they may read.

    In a shell, `channel` is None: words say where the alert is posted. `audiences` are those that
    the person belongs to; a shell sees everything.
    """

    user: str
    audiences: Collection[str] | None = None
    may_read: Callable[[str], bool] = lambda channel: True
    team: str | None = None
    channel: str | None = None


def obey(database: Database, words: Sequence[str], orderer: Orderer, *, now: int) -> MessageView:
    """Carry out the words after `alerts`. Raises `UsageError`."""
    name = words[0].lower()
    if name == "add":
        return added(database, parse_condition(words[1:]), orderer, now=now)
    if name not in ORDERS:
        raise UsageError(f"alerts does not take {words[0]}: {SYNTAX}.", word=words[0])
    if len(words) < 2:
        raise UsageError(f"Which alert? {SYNTAX[:1].upper()}{SYNTAX[1:]}.", word=words[0])
    rule = rule_of(database, words[1], orderer)
    return ORDERS[name](database, rule, words[2:], now)


def rule_of(database: Database, rule_id: str, orderer: Orderer) -> AlertRule:
    """Return the rule of an id that the person may change. Raises `CommandFailed`."""
    found = alert_rules(database, team=orderer.team, ids=[rule_id.lower()])
    for rule in found:
        if orderer.may_read(rule.channel):
            return rule
    raise CommandFailed(f"There is no alert {rule_id}: `alerts` lists them.", word=rule_id)


def added(database: Database, condition: Condition, orderer: Orderer, *, now: int) -> MessageView:
    """Store a rule, of which a test message tells its channel. Raises `UsageError`."""
    team, channel = _place(database, condition, orderer)
    if condition.dimension == "agent":
        condition = replace(condition, key=_agent_named(database, condition.key, orderer))
    rule = AlertRule(
        id=new_rule_id(),
        team=team,
        channel=channel,
        condition=condition_text(condition),
        created_by=orderer.user,
        created_at=now,
    )
    there = [each for each in alert_rules(database, team=team) if each.channel == channel]
    if same := [each for each in there if each.condition == rule.condition]:
        raise CommandFailed(f"That channel has this alert already: it is {same[0].id}.")
    if len(there) >= MOST_RULES:
        raise CommandFailed(
            f"That channel has {MOST_RULES} alerts: remove one first, or add it in another channel."
        )
    while not add_rule(database, rule):
        rule = replace(rule, id=new_rule_id())
    return MessageView(
        text=f"Alert {rule.id} is added: {rule.condition}. A test message shows where it speaks.",
        found=True,
    )


def _agent_named(database: Database, said: str, orderer: Orderer) -> str:
    """Return the name of the agent that somebody means, or what was said.

    It is looked for in traces that they may see: an answer must not tell how another one is spelt.
    """
    page = recent_traces(
        database, audiences=orderer.audiences, filters=Filters(agent=said), limit=1
    )
    names = [name for trace in page.traces for name in agents_of(trace.agent)]
    return next(iter(meant("agent", said, names)), said)


def _place(database: Database, condition: Condition, orderer: Orderer) -> tuple[str, str]:
    if orderer.channel is not None and orderer.team is not None:
        if condition.channel not in (None, orderer.channel):
            raise UsageError(
                "An alert is posted where it is added: leave in: out, or add it in that channel."
            )
        return orderer.team, orderer.channel
    if condition.channel is None:
        raise UsageError("In which channel? Add its id to the rule, such as in:C0123456789.")
    team = workspace_of(database, condition.channel)
    if team is None:
        raise CommandFailed(
            f"Nothing is recorded from {condition.channel} yet: add the alert in Slack, with "
            "/trace alerts in that channel.",
            word=condition.channel,
        )
    return team, condition.channel


def _test(database: Database, rule: AlertRule, rest: Sequence[str], now: int) -> MessageView:
    change_state(database, rule.id, lambda state: replace(state, tests=state.tests + 1))
    return MessageView(text=f"A test message of alert {rule.id} comes within a minute.", found=True)


def _snooze(database: Database, rule: AlertRule, rest: Sequence[str], now: int) -> MessageView:
    wanted = rest[0] if rest else "2h"
    if wanted.lower() == "off":
        change_state(database, rule.id, lambda state: replace(state, snoozed_until=0))
        return MessageView(text=f"Alert {rule.id} speaks again.", found=True)
    try:
        length = parse_duration(wanted)
    except ValueError as error:
        raise UsageError(f"{error}, or off.", word=wanted) from None
    if length > LONGEST_SNOOZE_NS:
        raise UsageError(f"{wanted} is longer than a year: remove the alert instead.", word=wanted)
    until = now + length
    change_state(database, rule.id, lambda state: replace(state, snoozed_until=until))
    return MessageView(
        text=f"Alert {rule.id} is silent for {wanted}, then it tells what is still wrong. "
        f"alerts snooze {rule.id} off ends this.",
        found=True,
    )


def _remove(database: Database, rule: AlertRule, rest: Sequence[str], now: int) -> MessageView:
    if rule.in_file:
        raise CommandFailed(
            f"Alert {rule.id} comes from the agents file, which would add it again: remove it "
            "there."
        )
    remove_rule(database, rule.id)
    return MessageView(text=f"Alert {rule.id} is removed: {rule.condition}.", found=True)


ORDERS: Mapping[str, Callable[[Database, AlertRule, Sequence[str], int], MessageView]] = {
    "test": _test,
    "snooze": _snooze,
    "remove": _remove,
}
