"""Recorded decisions are made again under other agents and settings."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from bot.agents.config.roster import Roster, RosterContents
from bot.agents.types import AccessRule, Agent
from bot.turns.rehearsal import Change, Gap, Kind, Rehearsal
from storage.queries.decisions import RecordedDecision
from tests.support.fake_agent import Scripted

ASKED = RecordedDecision(
    trace_id="1" * 32,
    started_at=1,
    team="T1",
    channel="C1",
    thread_ts=None,
    message_ts="1.000001",
    user="U1",
    bot_id=None,
    text="what is new?",
    edited=False,
    answered=True,
    reason="mentioned",
    rule="mentioned",
    asker="member",
    agents=("claude",),
    active_speaker=None,
    refused={},
    channel_type="channel",
    in_thread=False,
)
FOLLOW_UP = replace(
    ASKED,
    reason="active_speaker",
    rule="active_speaker",
    active_speaker="claude",
    in_thread=True,
    thread_ts="1.0",
)
REFUSED = replace(
    ASKED,
    answered=False,
    agents=(),
    asker="guest",
    reason="guest_may_not_ask",
    refused={"claude": "guest_may_not_ask"},
)


def roster(*names: str, channels: Mapping[str, str] | None = None, **rule: object) -> Roster:
    """Return agents that all have the same rule; the first is the default."""
    access = AccessRule(**rule)  # type: ignore[arg-type]
    agents = {n: Agent(name=n, access=access, providers=(Scripted(n),)) for n in names}
    contents = RosterContents(agents=agents, default=names[0], channels=channels or {})
    return Roster(lambda: contents)


NOW = roster("claude", "codex")


def changed(decision: RecordedDecision, new: Roster, **settings: bool) -> Change:
    found = Rehearsal(new=new, current=NOW, **settings).replay(decision)
    assert isinstance(found, Change), found
    return found


@pytest.mark.parametrize(
    "decision",
    [
        ASKED,
        FOLLOW_UP,
        REFUSED,
        replace(ASKED, text="@codex what is new?", agents=("codex",)),
        replace(ASKED, text=", codex: what is new?", agents=("codex",)),
        replace(ASKED, answered=False, agents=(), reason="not_mentioned", rule="not_mentioned"),
        replace(REFUSED, asker=None, rule=None),
        replace(ASKED, asker=None, rule=None),
        replace(
            ASKED,
            answered=False,
            agents=(),
            reason="budget_spent",
            refused={"claude": "budget_spent"},
        ),
    ],
)
def test_the_same_agents_change_nothing(decision: RecordedDecision) -> None:
    assert Rehearsal(new=NOW, current=NOW).replay(decision) is None


def test_another_default_agent_answers_what_names_nobody() -> None:
    change = changed(ASKED, roster("codex", "claude"))
    assert (change.kind, change.after.agents) == (Kind.OTHER_AGENTS, ("codex",))
    new = roster("codex", "claude")
    assert Rehearsal(new=new, current=NOW).replay(FOLLOW_UP) is None


def test_a_renamed_agent_is_replaced_by_that_of_the_channel() -> None:
    change = changed(FOLLOW_UP, roster("codex", "gemini", channels={"C1": "gemini"}))
    assert change.after.agents == ("gemini",)


def test_a_person_whom_the_new_rule_leaves_out_is_no_longer_answered() -> None:
    change = changed(ASKED, roster("claude", people=frozenset(("U2",))))
    assert change.kind is Kind.SILENCED
    assert change.after.reason == "person_not_allowed"


def test_a_guest_is_answered_once_the_rule_allows_it() -> None:
    change = changed(REFUSED, roster("claude", guests=True))
    assert (change.kind, change.after.agents) == (Kind.ANSWERED, ("claude",))
    assert change.after.reason == "mentioned"


def test_an_older_record_tells_by_the_decision_that_its_author_is_a_member() -> None:
    older = replace(ASKED, asker=None, rule=None)
    assert Rehearsal(new=roster("claude"), current=NOW).replay(older) is None
    # Without the agents of that time it could have been a guest.
    assert Rehearsal(new=roster("claude")).replay(older) is Gap.FACTS


def test_a_decision_by_the_same_group_tells_who_was_in_it_and_another_group_is_not_known() -> None:
    devs = roster("claude", groups=frozenset(("S1",)))
    assert Rehearsal(new=devs, current=NOW).replay(ASKED) is Gap.FACTS
    assert Rehearsal(new=devs, current=devs).replay(ASKED) is None
    refused = replace(
        REFUSED,
        asker="member",
        reason="person_not_allowed",
        refused={"claude": "person_not_allowed"},
    )
    assert Rehearsal(new=devs, current=devs).replay(refused) is None
    found = Rehearsal(new=NOW, current=devs).replay(refused)
    assert isinstance(found, Change)
    assert found.kind is Kind.ANSWERED


def test_mentions_only_silences_what_continues_a_conversation() -> None:
    change = changed(FOLLOW_UP, NOW, mention_only=True)
    assert (change.kind, change.after.reason) == (Kind.SILENCED, "mention_only")
    assert Rehearsal(new=NOW, current=NOW, mention_only=True).replay(ASKED) is None


def test_without_mentions_only_a_thread_would_have_to_be_read() -> None:
    silent = replace(FOLLOW_UP, answered=False, agents=(), reason="mention_only", rule=None)
    assert Rehearsal(new=NOW, current=NOW, mention_only=False).replay(silent) is Gap.THREAD
    assert Rehearsal(new=NOW, current=NOW).replay(silent) is None


def test_edits_that_add_a_mention_are_answered_or_not_as_the_setting_says() -> None:
    silent = replace(
        ASKED, edited=True, answered=False, agents=(), reason="mention_by_edit", rule=None
    )
    assert changed(silent, NOW, answer_edits=True).kind is Kind.ANSWERED
    assert changed(replace(ASKED, edited=True), NOW, answer_edits=False).kind is Kind.SILENCED
    assert Rehearsal(new=NOW, current=NOW, answer_edits=False).replay(ASKED) is None


def test_without_its_text_or_its_agents_a_message_is_not_replayed() -> None:
    rehearsal = Rehearsal(new=NOW, current=NOW)
    assert rehearsal.replay(replace(ASKED, text=None)) is Gap.TEXT
    assert rehearsal.replay(replace(ASKED, agents=None)) is Gap.AGENTS
    skipped = replace(ASKED, text=None, answered=False, agents=(), reason="own_message", rule=None)
    assert rehearsal.replay(skipped) is None


def test_a_budget_still_holds_back_the_agent_that_it_held_back() -> None:
    held = replace(
        ASKED, answered=False, agents=(), reason="budget_spent", refused={"claude": "budget_spent"}
    )
    assert changed(held, roster("codex", "claude")).after.agents == ("codex",)
