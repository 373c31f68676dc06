"""A conversation as an agent reads it: the question, what was said before, and the files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from bot.agents.types import HistoryMessage
from bot.settings import Settings
from bot.slack.conversation.budget import chosen, longest, shortened
from bot.slack.conversation.messages import (
    files_of,
    grouped,
    is_by_app,
    joined,
    message_text,
    with_text,
    words,
)
from bot.slack.conversation.names import APP_MARK, Ids, NameLookup, Names, plain_name
from bot.slack.threads import reply_payload
from bot.slack.types import MENTION, IncomingMessage, without_mention

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Earlier messages, the oldest first, and how many of the thread are left out."""

    messages: tuple[HistoryMessage, ...] = ()
    left_out: int = 0


class ConversationReader:
    """Read messages for agents and for the record. Never raises for an error of Slack."""

    def __init__(
        self, names: NameLookup, *, bot_user: str, bot_id: str, settings: Settings
    ) -> None:
        self._names = names
        self._bot_user = bot_user
        self._bot_id = bot_id
        self._settings = settings

    def prompt(self, text: str, message: IncomingMessage) -> str:
        """Return what an agent is asked: *text*, a part of the message's, and what it forwards."""
        return words(with_text(message.content, text), self._names)

    def author(self, message: IncomingMessage) -> str:
        """Return the name of the person who wrote a message; empty if nobody did."""
        return self._names.user(message.user) if message.user else ""

    def stored(self, message: Message, *, wait: bool = True) -> str | None:
        """Return what the record may hold of a message's text, None if nothing.

        Of a message that it forwards only the origin: the words are those of somebody else, who
        may ask to forget them. Without *wait* no name is looked up: those that are not known yet
        are ids.
        """
        text = without_mention(str(message.get("text") or ""), self._bot_user)
        names = self._names if wait else self._names.remembered()
        said = words(with_text(message, text), names, quoted=False)
        return self._settings.captured(said.strip())

    def history(self, earlier: Sequence[Message], *, question: str) -> History:
        """Return the earlier messages of a thread, within the budget of the settings."""
        most = self._settings.history_characters
        ids = Ids()
        groups = [
            (group, text)
            for group in grouped(earlier, bot_id=self._bot_id)
            if (text := self._text(group, ids).strip())
        ]
        # Without names, which only those messages need that are kept, and which may be longer.
        kept = chosen([text for _, text in groups], question, most=most)
        self._names.people(_people(groups[position][0] for position in kept))
        messages = [self._said(groups[position][0], longest(most)) for position in kept]
        fit = chosen([message.text for message in messages], question, most=most)
        kept, messages = [kept[n] for n in fit], [messages[n] for n in fit]
        left_out = len(groups) - len(kept)
        if left_out:
            gap = next(n for n, position in enumerate(kept) if n != position)
            messages.insert(gap, _gap(left_out, most))
        return History(messages=tuple(messages), left_out=left_out)

    def files(self, message: IncomingMessage, earlier: Sequence[Message]) -> list[Message]:
        """Return the files of a message and of its thread, the newest first, each once.

        Of a file that is there more than once, the newest details count: a clip is written down
        after it was posted, and a file may be renamed.
        """
        own = list(files_of(message.content))
        before = [
            file
            for each in reversed(earlier)
            for file in files_of(each)
            if file.get("mode") != "tombstone"
        ]
        found: dict[str, Message] = {}
        for file in (*own, *before):
            found.setdefault(str(file.get("id")), file)
        return list(found.values())

    def _text(self, group: Sequence[Message], names: Names) -> str:
        return joined([message_text(each, names, bot_id=self._bot_id) for each in group])

    def _said(self, group: Sequence[Message], most: int) -> HistoryMessage:
        first = group[0]
        payload = reply_payload(first, bot_id=self._bot_id)
        agent = payload.get("agent")
        return HistoryMessage(
            author=str(agent) if agent else self._author(first),
            text=shortened(self._text(group, self._names).strip(), most),
            ts=str(first["ts"]),
            agent=bool(agent),
            trace_id=str(payload.get("trace_id") or ""),
        )

    def _author(self, message: Message) -> str:
        """Return the name of a person, of this bot itself or of another app.

        An app may call itself like one of our agents. A model must not take its words for its own,
        so an app's name has a mark that no other name has.
        """
        user = message.get("user")
        other = is_by_app(message) and message.get("bot_id") != self._bot_id
        # What an app posts with a person's token has both: it is that person's.
        if user and not (other and self._names.is_bot(str(user))):
            return self._names.user(str(user))
        if not other:
            return "somebody"
        profile = message.get("bot_profile") or {}
        return (plain_name(message.get("username") or profile.get("name")) or "somebody") + APP_MARK


def _people(groups: Iterator[Sequence[Message]]) -> list[str]:
    """Return the people who wrote messages, then those whom their text mentions, each once."""
    messages = [message for group in groups for message in group]
    authors = [str(each["user"]) for each in messages if each.get("user")]
    mentioned = (MENTION.findall(str(each.get("text") or "")) for each in messages)
    return list(dict.fromkeys([*authors, *chain.from_iterable(mentioned)]))


def _gap(left_out: int, most: int) -> HistoryMessage:
    return HistoryMessage(
        author="",
        text=f"[{left_out:,} earlier messages are left out here: the conversation is longer than "
        f"{most:,} characters.]",
    )
