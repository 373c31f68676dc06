"""Decide if the bot answers: pure functions of the message, its thread, and who the bot is.

The first rule that applies decides. A mention of a human silences nobody; a file without text does
not continue a conversation, unless it is a voice message.
"""

from dataclasses import dataclass
from enum import StrEnum

from bot.slack.types import IncomingMessage, Thread
from storage.model import semconv

SAID_BY_PEOPLE = frozenset((None, "file_share", "thread_broadcast", "me_message"))
"""Subtypes of messages that people write. Other subtypes report changes: edits, joins, topics."""


MOST_ANSWERS_TO_WORKFLOWS = 5
"""How often a workflow is answered in a thread before a person writes there: two bots could answer
one another for ever."""


class Reason(StrEnum):
    """Why the bot answers, or does not."""

    MENTIONED = "mentioned"
    DIRECT_MESSAGE = "direct_message"
    ACTIVE_SPEAKER = "active_speaker"
    ASKED_AGAIN = "asked_again"

    OWN_MESSAGE = "own_message"
    BOT_MESSAGE = "bot_message"
    NOT_A_MESSAGE = "not_a_message"
    EMPTY = "empty"
    OTHER_BOT_MENTIONED = "other_bot_mentioned"
    MENTION_ONLY = "mention_only"
    OTHER_AGENT_ACTIVE = "other_agent_active"
    NO_ACTIVE_SPEAKER = "no_active_speaker"
    THREAD_UNREADABLE = "thread_unreadable"
    NOT_MENTIONED = "not_mentioned"
    MENTION_BY_EDIT = "mention_by_edit"
    HANDLED_ELSEWHERE = semconv.HANDLED_ELSEWHERE

    AGENT_GONE = "agent_gone"
    ASKER_UNKNOWN = "asker_unknown"
    GUEST_MAY_NOT_ASK = "guest_may_not_ask"
    STRANGER_MAY_NOT_ASK = "stranger_may_not_ask"
    ONLY_BOTS_TALK = "only_bots_talk"
    WORKFLOW_MAY_NOT_ASK = "workflow_may_not_ask"
    PERSON_NOT_ALLOWED = "person_not_allowed"
    CHANNEL_NOT_ALLOWED = "channel_not_allowed"
    SHARED_CHANNEL_NOT_ALLOWED = "shared_channel_not_allowed"
    READERS_UNKNOWN = "readers_unknown"

    BUDGET_SUSPENDED = "budget_suspended"
    BUDGET_SPENT = "budget_spent"


@dataclass(frozen=True, slots=True, kw_only=True)
class BotIdentity:
    """This bot as others see it in Slack."""

    user: str
    bot_id: str
    mention_only: bool = False
    answer_edits: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision to answer a message or to skip it, and why."""

    answer: bool
    reason: Reason


def settled(
    message: IncomingMessage,
    identity: BotIdentity,
    *,
    other_bots: frozenset[str],
    by_bot: bool = False,
) -> Decision | None:
    """Decide from the message alone; None if the decision depends on its thread.

    `other_bots` are the bots among the mentioned users, without this one; `by_bot` says if the
    author is a bot.
    """
    if reason := _not_for_us(message, identity, by_bot=by_bot):
        return Decision(False, reason)
    if message.asked_again is not None:
        return Decision(True, Reason.ASKED_AGAIN)
    if identity.user in message.mentions:
        return Decision(True, Reason.MENTIONED)
    if other_bots:
        return Decision(False, Reason.OTHER_BOT_MENTIONED)
    if message.is_direct:
        return Decision(True, Reason.DIRECT_MESSAGE)
    if not message.in_thread:
        return Decision(False, Reason.NOT_MENTIONED)
    if identity.mention_only:
        return Decision(False, Reason.MENTION_ONLY)
    return None


def settled_by_thread(message: IncomingMessage, thread: Thread, identity: BotIdentity) -> Decision:
    """Decide by who spoke last in the thread, for a message that `settled` leaves open."""
    if not thread.readable:
        return Decision(False, Reason.THREAD_UNREADABLE)
    if thread.active_speaker is None or not message.has_words:
        return Decision(False, Reason.NO_ACTIVE_SPEAKER)
    # Only Slack can write a bot's id. A name or metadata of one of our agents can be anybody's.
    if thread.active_speaker.bot_id == identity.bot_id:
        return Decision(True, Reason.ACTIVE_SPEAKER)
    return Decision(False, Reason.OTHER_AGENT_ACTIVE)


def _not_for_us(message: IncomingMessage, identity: BotIdentity, *, by_bot: bool) -> Reason | None:
    if message.user == identity.user or message.bot_id == identity.bot_id:
        return Reason.OWN_MESSAGE
    # A workflow has no thread of its own with us: it asks by a mention, if an agent allows it.
    asks = message.of_workflow and identity.user in message.mentions
    if by_bot or message.user == "USLACKBOT" or (not message.user and not asks):
        return Reason.BOT_MESSAGE
    if message.subtype not in SAID_BY_PEOPLE and not asks:
        return Reason.NOT_A_MESSAGE
    if message.mention_added and not identity.answer_edits:
        return Reason.MENTION_BY_EDIT
    if not message.has_words and not message.files:
        return Reason.EMPTY
    return None
