"""Messages, threads and places in Slack, as values that need no client."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MENTION = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^<>]*)?>")
"""A mention of a user in a message's text: `<@U123>` or `<@U123|ann>`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedAgain:
    """The agent to ask again, the trace of the first turn, and who wrote the question.

    `anyway` says that a soft limit of a budget does not hold it back.
    """

    agent: str
    trace_id: str
    author: str
    anyway: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingMessage:
    """A message as it arrived. Slack identifies messages by time stamps: `ts`, `thread_ts`."""

    team: str
    channel: str
    channel_type: str | None
    """`channel`, `group`, `im` or `mpim`; None for an `app_mention`, which does not say."""
    ts: str
    thread_ts: str | None
    user: str
    text: str
    user_team: str | None = None
    """The workspace of a user of another organisation."""
    bot_id: str | None = None
    """The app that posted it: as a bot, or with a person's token, whose message it then is."""
    subtype: str | None = None
    edited: str | None = None
    """The time stamp of the last edit."""
    mention_added: str | None = None
    """The time stamp of the edit, if the message mentions the bot only since then."""
    files: tuple[dict[str, object], ...] = ()
    blocks: tuple[dict[str, object], ...] = ()
    attachments: tuple[dict[str, object], ...] = ()
    """Messages that it forwards, pasted tables, and what an app shows below its text; not files."""
    asked_again: AskedAgain | None = None
    """Set if somebody, who is `user` then, pressed a button below a reply that asks it again."""

    @property
    def in_thread(self) -> bool:
        return self.thread_ts is not None and self.thread_ts != self.ts

    @property
    def root_ts(self) -> str:
        """Return the time stamp of the thread that a reply belongs in."""
        return self.thread_ts or self.ts

    @property
    def place(self) -> "Place":
        """Return the thread in which it is answered, and its author."""
        return Place(self.user_team or self.team, self.channel, self.root_ts, self.user)

    @property
    def of_workflow(self) -> bool:
        """Return True if no user wrote it, as what Workflow Builder and webhooks post."""
        return bool(self.bot_id) and not self.user

    @property
    def is_by_asker(self) -> bool:
        """Return False if somebody asks another person's question again."""
        return self.asked_again is None or self.asked_again.author == self.user

    @property
    def is_direct(self) -> bool:
        return self.channel_type == "im"

    @property
    def content(self) -> Mapping[str, Any]:
        """Return what it says, in the form of a message of Slack's."""
        return {
            "text": self.text,
            "blocks": list(self.blocks),
            "attachments": list(self.attachments),
            "files": list(self.files),
            "bot_id": self.bot_id,
            "edited": {"ts": self.edited} if self.edited else None,
        }

    @property
    def has_words(self) -> bool:
        """Return True if it says something: in its text, its blocks, or what is attached.

        A person attaches messages that they forward, and tables that they paste, and may speak.
        """
        attached = any(each.get("is_share") or each.get("blocks") for each in self.attachments)
        typed = self.text.strip() or any(map(_has_content, self.blocks))
        if typed or attached or any(map(is_voice_clip, self.files)):
            return True
        return self.bot_id is not None and bool(self.attachments)

    def without_mention(self, user: str) -> str:
        """Return the text without mentions of `user`."""
        return without_mention(self.text, user)

    @property
    def mentions(self) -> frozenset[str]:
        return mentions_in(self.content)


def is_pasted(block: Mapping[str, Any]) -> bool:
    """Return True for the block of a person's that is not in the text of their message: a table."""
    return block.get("type") == "table"


def _has_content(block: Mapping[str, Any]) -> bool:
    """Return False for a text without a word, which may come with a file."""
    parts = block.get("elements")
    if block.get("type") != "rich_text" or not isinstance(parts, list):
        return True
    return any(isinstance(part, Mapping) and part.get("elements") for part in parts)


def is_voice_clip(file: Mapping[str, Any]) -> bool:
    """Return True for what somebody said in place of typing it."""
    return file.get("subtype") == "slack_audio"


def mentions(text: str) -> frozenset[str]:
    """Return the ids of the users that a message's text mentions."""
    return frozenset(MENTION.findall(text))


def mentions_in(message: Mapping[str, Any]) -> frozenset[str]:
    """Return the ids of the users that a message mentions.

    An app may do so in blocks and attachments alone, and Slack tells of it as of any mention. What
    a person forwards, or what a preview shows, mentions nobody.
    """
    text, is_by_app = message.get("text") or "", bool(message.get("bot_id"))
    blocks = message.get("blocks") if is_by_app or not text.strip() else ()
    attached = [
        each
        for each in (message.get("attachments") or () if is_by_app else ())
        if not (each.get("is_msg_unfurl") or each.get("is_share") or each.get("from_url"))
    ]
    return mentions(text) | frozenset(_mentioned([blocks, attached], DEEPEST))


DEEPEST = 40
"""Lists and objects within one another that are searched for mentions; Slack nests about twelve."""


def _mentioned(value: object, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield from MENTION.findall(value)
    elif depth and isinstance(value, list | tuple):
        for each in value:
            yield from _mentioned(each, depth - 1)
    elif depth and isinstance(value, Mapping) and value.get("type") != "plain_text":
        if value.get("type") == "user":
            yield str(value.get("user_id"))
        yield from _mentioned(list(value.values()), depth - 1)


def without_mention(text: str, user: str) -> str:
    """Return a text of Slack's without mentions of `user`."""
    return re.sub(rf"([*_~]?)<@{re.escape(user)}(?:\|[^<>]*)?>\1", "", text).strip()


@dataclass(frozen=True, slots=True)
class Speaker:
    """A bot that wrote in a thread, and the agent it spoke as, if the message names one."""

    bot_id: str
    agent: str | None = None


@dataclass(frozen=True, slots=True)
class Thread:
    """The part of a thread that decisions need. `readable` is False if Slack did not show it."""

    active_speaker: Speaker | None = None
    readable: bool = True


@dataclass(frozen=True, slots=True)
class Place:
    """A thread, and the person who is answered there; `team` is that person's."""

    team: str
    channel: str
    thread_ts: str
    user: str


def mention_added(body: Mapping[str, Any], *, bot_user: str) -> dict[str, Any] | None:
    """Return the edited message of a `message_changed` event if the edit is a mention of the bot.

    Slack sends an `app_mention` for each edit of a message that mentions the bot; only this event
    tells what the message was before.
    """
    event = body["event"]
    before, after = event.get("previous_message") or {}, event.get("message") or {}
    # In a direct message every message is for the bot, however it is edited.
    if event.get("channel_type") == "im" or not after.get("ts"):
        return None
    if after.get("user") in (None, "", bot_user):
        return None
    if bot_user in mentions(before.get("text") or "") or bot_user not in mentions(
        after.get("text") or ""
    ):
        return None
    place = {"channel": event["channel"], "channel_type": event.get("channel_type")}
    return {**after, **place}


def edited_ts(message: Mapping[str, Any]) -> str | None:
    """Return when a message was edited last; None if it never was."""
    return (message.get("edited") or {}).get("ts")


def parse_message(body: Mapping[str, Any], *, team: str) -> IncomingMessage:
    """Return the message in the payload of a `message` or `app_mention` event.

    `team` is the workspace where the bot is installed, whose channel it is for the bot.
    """
    event = body["event"]
    return IncomingMessage(
        team=team,
        channel=event["channel"],
        channel_type=event.get("channel_type"),
        ts=event["ts"],
        thread_ts=event.get("thread_ts") or None,
        user=event.get("user") or "",
        text=event.get("text") or "",
        user_team=event.get("user_team"),
        bot_id=event.get("bot_id"),
        subtype=event.get("subtype"),
        edited=edited_ts(event),
        files=_objects(event, "files"),
        blocks=_objects(event, "blocks"),
        attachments=_objects(event, "attachments"),
    )


def _objects(event: Mapping[str, Any], key: str) -> tuple[dict[str, object], ...]:
    """Return the objects in a list of an event, whatever else an app put there."""
    found = event.get(key)
    return (
        tuple(each for each in found if isinstance(each, dict)) if isinstance(found, list) else ()
    )
