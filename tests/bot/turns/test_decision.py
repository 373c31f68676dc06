"""Each rule of the decision to answer a message, and the reason that it gives."""

from dataclasses import replace
from typing import Any

import pytest

from bot.slack.types import IncomingMessage, Speaker, Thread
from bot.turns.decision import BotIdentity, Decision, Reason, settled, settled_by_thread

ME = BotIdentity(user="UBOT", bot_id="BBOT")
OTHER_BOT = frozenset({"UCODEX"})
EMPTY = Thread()
OURS = Thread(Speaker("BBOT", "claude"))
THEIRS = Thread(Speaker("BCODEX", "codex"))


def message(**changes: Any) -> IncomingMessage:
    plain = IncomingMessage(
        team="T1",
        channel="C1",
        channel_type="channel",
        ts="2.0",
        thread_ts=None,
        user="UALICE",
        text="what is new?",
    )
    return replace(plain, **changes)


def decided(
    thread: Thread = EMPTY,
    *,
    identity: BotIdentity = ME,
    other_bots: frozenset[str] = frozenset(),
    by_bot: bool = False,
    **changes: Any,
) -> Decision:
    asked = message(**changes)
    decision = settled(asked, identity, other_bots=other_bots, by_bot=by_bot)
    return decision or settled_by_thread(asked, thread, identity)


IN_THREAD = {"thread_ts": "1.0"}


def test_a_mention_is_answered() -> None:
    assert decided(text="<@UBOT> hello") == Decision(True, Reason.MENTIONED)


def test_a_mention_is_answered_in_another_agents_thread() -> None:
    assert decided(THEIRS, text="<@UBOT|tracebot> hello", **IN_THREAD).answer


def test_a_message_that_mentions_another_bot_only_is_not_answered() -> None:
    decision = decided(OURS, text="<@UCODEX> hello", other_bots=OTHER_BOT, **IN_THREAD)
    assert decision == Decision(False, Reason.OTHER_BOT_MENTIONED)


def test_a_message_that_mentions_two_bots_is_answered_by_both() -> None:
    assert decided(text="<@UCODEX> <@UBOT> race!", other_bots=OTHER_BOT).answer


def test_a_mention_of_a_human_does_not_keep_the_bot_from_answering() -> None:
    assert decided(OURS, text="<@UBOB> look at this", **IN_THREAD).answer


def test_a_direct_message_is_answered() -> None:
    assert decided(channel_type="im") == Decision(True, Reason.DIRECT_MESSAGE)


def test_a_direct_message_that_mentions_us_is_answered() -> None:
    assert decided(channel_type="im", text="<@UBOT> hello").answer


def test_a_follow_up_in_our_thread_is_answered() -> None:
    assert decided(OURS, **IN_THREAD) == Decision(True, Reason.ACTIVE_SPEAKER)


def test_a_follow_up_in_another_agents_thread_is_not_answered() -> None:
    assert decided(THEIRS, **IN_THREAD) == Decision(False, Reason.OTHER_AGENT_ACTIVE)


def test_a_speaker_is_known_by_its_bot_and_not_by_the_agent_it_names() -> None:
    assert decided(Thread(Speaker("BBOT")), **IN_THREAD).answer
    assert not decided(Thread(Speaker("BCODEX", "claude")), **IN_THREAD).answer


def test_mention_only_mode_skips_follow_ups() -> None:
    identity = replace(ME, mention_only=True)
    assert decided(OURS, identity=identity, **IN_THREAD) == Decision(False, Reason.MENTION_ONLY)
    assert decided(OURS, identity=identity, text="<@UBOT> but now", **IN_THREAD).answer
    assert decided(identity=identity, channel_type="im").answer


def test_a_thread_without_a_bot_is_skipped() -> None:
    assert decided(**IN_THREAD) == Decision(False, Reason.NO_ACTIVE_SPEAKER)


def test_files_without_text_in_our_thread_are_skipped() -> None:
    decision = decided(OURS, text="", subtype="file_share", files=({"id": "F1"},), **IN_THREAD)
    assert decision == Decision(False, Reason.NO_ACTIVE_SPEAKER)


def test_a_follow_up_with_a_file_is_answered() -> None:
    assert decided(OURS, subtype="file_share", files=({"id": "F1"},), **IN_THREAD).answer


def test_a_thread_that_cannot_be_read_is_skipped() -> None:
    decision = decided(Thread(readable=False), **IN_THREAD)
    assert decision == Decision(False, Reason.THREAD_UNREADABLE)


def test_a_channel_message_without_a_mention_is_skipped() -> None:
    assert decided() == Decision(False, Reason.NOT_MENTIONED)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"user": "UBOT"}, Reason.OWN_MESSAGE),
        ({"bot_id": "BBOT"}, Reason.OWN_MESSAGE),
        ({"bot_id": "BCODEX", "user": "UCODEX", "by_bot": True}, Reason.BOT_MESSAGE),
        ({"user": "USLACKBOT"}, Reason.BOT_MESSAGE),
        ({"subtype": "message_changed"}, Reason.NOT_A_MESSAGE),
        ({"subtype": "channel_join"}, Reason.NOT_A_MESSAGE),
        ({"text": "  "}, Reason.EMPTY),
    ],
)
def test_a_message_not_written_by_a_person_is_skipped_even_if_it_mentions_the_bot(
    changes: dict[str, Any], reason: Reason
) -> None:
    text = {"text": "<@UBOT> hello", **changes}
    assert decided(OURS, channel_type="im", **text) == Decision(False, reason)


def test_bots_do_not_answer_each_other_for_ever() -> None:
    said = {"user": "UCODEX", "bot_id": "BCODEX", "text": "<@UBOT> your turn"}
    assert not decided(OURS, by_bot=True, **said, **IN_THREAD).answer


def test_a_workflow_is_heard_only_if_it_mentions_the_bot() -> None:
    workflow = {"user": "", "bot_id": "BWF", "subtype": "bot_message"}
    assert decided(text="<@UBOT> report", **workflow).answer
    for where in ({}, IN_THREAD, {"channel_type": "im"}):
        assert decided(OURS, text="report", **workflow, **where).reason == Reason.BOT_MESSAGE


def test_a_post_with_a_persons_token_is_a_persons() -> None:
    assert decided(OURS, bot_id="BCALENDAR", **IN_THREAD).answer


def test_a_mention_by_an_edit_is_answered_if_the_setting_says_so() -> None:
    edited = {"text": "<@UBOT> hello", "mention_added": "3.0"}
    assert decided(**edited) == Decision(False, Reason.MENTION_BY_EDIT)
    assert decided(identity=replace(ME, answer_edits=True), **edited).answer
