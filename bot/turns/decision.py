"""Who answers: a pure function of the message, the thread it stands in, and who we are.

The first row that holds decides. A human who is mentioned silences nobody; files alone change
nothing about whose thread it is.
"""

from collections.abc import Container
from dataclasses import dataclass
from enum import StrEnum

from bot.slack.types import IncomingMessage, Speaker, Thread

PLAIN = frozenset((None, "file_share", "thread_broadcast", "me_message"))
"""Subtypes of what a person says. The others tell of changes: edits, joins, topics."""


class Reason(StrEnum):
    """Why the bot answers, or does not."""

    MENTIONED = "mentioned"
    DIRECT_MESSAGE = "direct_message"
    ACTIVE_SPEAKER = "active_speaker"

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
    HANDLED_ELSEWHERE = "handled_elsewhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class BotIdentity:
    """Who this bot is."""

    user: str
    bot_id: str
    agents: Container[str]
    """The names of the agents that answer as this bot, as they are now."""
    mention_only: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    answer: bool
    reason: Reason


def decide(
    message: IncomingMessage, thread: Thread, me: BotIdentity, *, other_bots: frozenset[str]
) -> Decision:
    """Whether to answer. `other_bots` are the bots among the users mentioned, this one not."""
    return settled(message, me, other_bots=other_bots) or _decide_by_thread(message, thread, me)


def settled(
    message: IncomingMessage, me: BotIdentity, *, other_bots: frozenset[str]
) -> Decision | None:
    """The decision, where it can be made without reading the thread."""
    if reason := _not_for_us(message, me):
        return Decision(False, reason)
    if me.user in message.mentions:
        return Decision(True, Reason.MENTIONED)
    if other_bots:
        return Decision(False, Reason.OTHER_BOT_MENTIONED)
    if message.is_direct:
        return Decision(True, Reason.DIRECT_MESSAGE)
    if not message.in_thread:
        return Decision(False, Reason.NOT_MENTIONED)
    if me.mention_only:
        return Decision(False, Reason.MENTION_ONLY)
    return None


def _not_for_us(message: IncomingMessage, me: BotIdentity) -> Reason | None:
    if message.user == me.user or message.bot_id == me.bot_id:
        return Reason.OWN_MESSAGE
    if message.subtype == "bot_message" or message.bot_id or message.user == "USLACKBOT":
        return Reason.BOT_MESSAGE
    if message.subtype not in PLAIN:
        return Reason.NOT_A_MESSAGE
    if not message.text.strip() and not message.files:
        return Reason.EMPTY
    return None


def _decide_by_thread(message: IncomingMessage, thread: Thread, me: BotIdentity) -> Decision:
    if not thread.readable:
        return Decision(False, Reason.THREAD_UNREADABLE)
    if thread.active_speaker is None or not message.text.strip():
        return Decision(False, Reason.NO_ACTIVE_SPEAKER)
    if is_me(thread.active_speaker, me):
        return Decision(True, Reason.ACTIVE_SPEAKER)
    return Decision(False, Reason.OTHER_AGENT_ACTIVE)


def is_me(speaker: Speaker, me: BotIdentity) -> bool:
    """Whether the speaker is this bot: an agent that it named says more than the bot's id."""
    if speaker.agent is not None:
        return speaker.agent in me.agents
    return speaker.bot_id == me.bot_id
