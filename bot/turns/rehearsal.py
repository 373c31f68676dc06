"""Make recorded decisions again, under another agents file or other settings.

The rules are those that the bot uses; the facts come from the record instead of Slack. What the
record lacks, such as who is in a user group, is tried in every way it may have been. Ways that
contradict the record under the agents file in use are left out, and so is a message for which the
others do not agree. Each message is replayed alone, with the thread as it was.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.agents.config.roster import Roster
from bot.slack.directory import Standing
from bot.slack.types import IncomingMessage, Speaker
from bot.turns.asked import AgentChoice
from bot.turns.decision import Reason
from bot.turns.permission import Permission
from storage.queries.decisions import RecordedDecision

ANSWERS = frozenset((Reason.MENTIONED, Reason.DIRECT_MESSAGE, Reason.ACTIVE_SPEAKER))
BUDGETS = frozenset((Reason.BUDGET_SUSPENDED, Reason.BUDGET_SPENT))
REPEATED = frozenset((Reason.HANDLED_ELSEWHERE, Reason.ASKED_AGAIN))
"""The reasons of decisions on a message that has another one, which is replayed instead."""

AFTER_A_MENTION = " \t,，、:："
"""Characters between the mention of the bot, which is not recorded, and an agent's name."""

Fact = tuple[str, str]
"""A question to the record and its subject, such as `("group", "S123")`."""


class Kind(StrEnum):
    """How a decision changes."""

    SILENCED = "no longer answered"
    ANSWERED = "answered from now on"
    OTHER_AGENTS = "answered by other agents"


class Gap(StrEnum):
    """Why a decision cannot be made again."""

    TEXT = "the text is not stored or was erased"
    THREAD = "the thread was not read at the time"
    FACTS = "the record does not say who asked, or who could read the channel"
    AGENTS = "the record does not say which agents were asked"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The agents that are asked, none if the message is not answered, and the reason."""

    agents: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Change:
    """A decision that another configuration changes."""

    decision: RecordedDecision
    before: Outcome
    after: Outcome

    @property
    def kind(self) -> Kind:
        if not self.after.agents:
            return Kind.SILENCED
        return Kind.OTHER_AGENTS if self.before.agents else Kind.ANSWERED


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """A configuration to try.

    `current` are the agents in use, None if they are not known. A setting that is None stays as it
    was for each message.
    """

    new: Roster
    current: Roster | None = None
    mention_only: bool | None = None
    answer_edits: bool | None = None

    def replay(self, decision: RecordedDecision) -> Change | Gap | None:
        """Return how the decision changes, None if it does not, or why that is not known."""
        if decision.agents is None:
            return Gap.AGENTS
        before = Outcome(decision.agents, decision.reason)
        rule = self._rule(decision)
        if rule is None:
            return Gap.THREAD
        if rule in ANSWERS:
            after = self._asked(decision, rule)
            if isinstance(after, Gap):
                return after
        else:
            after = Outcome((), rule)
        return None if set(before.agents) == set(after.agents) else Change(decision, before, after)

    def _rule(self, decision: RecordedDecision) -> str | None:
        """Return why the message is for the bot or not; None if that depends on its thread."""
        rule = _recorded_rule(decision)
        if rule == Reason.MENTION_BY_EDIT and self.answer_edits:
            return Reason.MENTIONED
        if decision.edited and rule in ANSWERS and self.answer_edits is False:
            return Reason.MENTION_BY_EDIT
        if rule == Reason.ACTIVE_SPEAKER and self.mention_only:
            return Reason.MENTION_ONLY
        if rule == Reason.MENTION_ONLY and self.mention_only is False:
            return None
        return rule

    def _asked(self, decision: RecordedDecision, rule: str) -> Outcome | Gap:
        if decision.text is None:
            return Gap.TEXT
        tried = list(self._tried(decision, rule))
        fitting = [after for now, after in tried if now is not None and _fits(now, decision)]
        outcomes = fitting or [after for _, after in tried]
        same = {frozenset(outcome.agents) for outcome in outcomes}
        return outcomes[0] if len(same) == 1 else Gap.FACTS

    def _tried(
        self, decision: RecordedDecision, rule: str
    ) -> Iterator[tuple[Outcome | None, Outcome]]:
        """Yield the outcomes with the current agents and with the new ones.

        There is a pair for each combination of the facts that are needed and not recorded.
        """
        to_try = [_Facts(decision.user, _recorded_facts(decision))]
        while to_try:
            facts = to_try.pop()
            try:
                current = self.current
                now = None if current is None else _outcome(current, decision, rule, facts)
                new = _outcome(self.new, decision, rule, facts)
            except _NotKnown as missing:
                to_try.extend(facts.with_each(missing))
            else:
                yield now, new


class _NotKnown(Exception):
    """The record lacks a fact, which may be any of these."""

    def __init__(self, fact: Fact, options: Sequence[object]) -> None:
        super().__init__(fact)
        self.fact, self.options = fact, options


class _Facts:
    """Answer for Slack from what is known, or assumed, of one message."""

    def __init__(self, user: str, known: Mapping[Fact, object]) -> None:
        self._user = user
        self._known = known

    def with_each(self, missing: _NotKnown) -> list["_Facts"]:
        """Return these facts with each of the options for the missing one."""
        return [
            _Facts(self._user, {**self._known, missing.fact: option}) for option in missing.options
        ]

    def standing(self, team: str, user: str) -> Standing:
        people = (Standing.MEMBER, Standing.GUEST, Standing.STRANGER, Standing.UNKNOWN)
        return Standing(self._value(("standing", ""), people))

    def is_shared(self, channel: str) -> bool | None:
        shared = self._value(("shared", ""), (False, True, None))
        return None if shared is None else bool(shared)

    def group(self, group: str) -> Sequence[str]:
        """Return the members, as far as they matter: the author, or nobody."""
        return [self._user] if self._value(("group", group), (True, False)) else []

    def _value(self, fact: Fact, options: Sequence[object]) -> object:
        if fact not in self._known:
            raise _NotKnown(fact, options)
        return self._known[fact]


def _recorded_facts(decision: RecordedDecision) -> dict[Fact, object]:
    return {} if decision.asker is None else {("standing", ""): decision.asker}


def _recorded_rule(decision: RecordedDecision) -> str:
    """Return why the message was for the bot or not. Older records tell only of refusals."""
    if decision.rule is not None:
        return decision.rule
    if decision.reason not in set(decision.refused.values()):
        return decision.reason
    if decision.channel_type == "im":
        return Reason.DIRECT_MESSAGE
    return Reason.ACTIVE_SPEAKER if decision.active_speaker else Reason.MENTIONED


def _outcome(roster: Roster, decision: RecordedDecision, rule: str, facts: _Facts) -> Outcome:
    permission = Permission(facts, facts, team=decision.team or "")
    # Names that are close to an agent's change nothing: nobody has to be looked up.
    choice = AgentChoice(roster, permission, bot_user="", is_person=lambda name: True)
    speaker = decision.active_speaker
    asked = choice.of(_message(decision), Speaker("", speaker) if speaker else None)
    refused = [each.reason.value for each in asked.refused]
    agents: list[str] = []
    for agent in asked.agents:
        if (held_back := decision.refused.get(agent.name)) in BUDGETS:
            refused.append(str(held_back))
        else:
            agents.append(agent.name)
    return Outcome(tuple(agents), rule if agents else refused[0])


def _message(decision: RecordedDecision) -> IncomingMessage:
    return IncomingMessage(
        team=decision.team or "",
        channel=decision.channel,
        channel_type=decision.channel_type,
        ts=decision.message_ts,
        thread_ts=decision.thread_ts,
        user=decision.user,
        text=(decision.text or "").lstrip(AFTER_A_MENTION),
        bot_id=decision.bot_id,
    )


def _fits(outcome: Outcome, decision: RecordedDecision) -> bool:
    if decision.agents:
        return set(outcome.agents) == set(decision.agents)
    return not outcome.agents and outcome.reason == decision.reason
