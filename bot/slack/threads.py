"""Read Slack threads: their messages, who spoke last, and what was said before."""

import hashlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from cachetools import TTLCache
from slack_sdk import WebClient

from bot.slack.errors import SLACK_ERRORS
from bot.slack.types import Speaker, Thread, mentions_in

PAGE = 200
MAX_PAGES = 50
"""About 10,000 messages are read; the others of a longer thread are not seen."""

CACHED_THREADS = 500
CACHE_S = 600.0
REPLY_EVENT = "tracebot_reply"
"""The `event_type` in the metadata of our replies. Any app can send it: see `reply_payload`."""

logger = logging.getLogger("tracebot.thread")

Message = Mapping[str, Any]
IsBot = Callable[[str], bool]
"""Tells of a user's id whether it is a bot's."""


@dataclass(frozen=True, slots=True)
class ThreadRead:
    """A thread's messages, oldest first, or None if Slack does not let the bot read them.

    `bot_id` is this bot's: of all bots, only it speaks for our agents.
    """

    messages: tuple[Message, ...] | None
    bot_id: str
    cached: bool = False

    def thread(self, is_bot: IsBot) -> Thread:
        """Return the part that decisions need."""
        if self.messages is None:
            return Thread(readable=False)
        return Thread(active_speaker(self.messages, bot_id=self.bot_id, is_bot=is_bot))

    def earlier(self, *, before: str) -> tuple[Message, ...]:
        """Return the messages before the one with the time stamp `before`."""
        return tuple(m for m in self.messages or () if float(m["ts"]) < float(before))

    def answers_without_people(self, is_bot: IsBot) -> int:
        """Return how many messages this bot wrote since a person did."""
        ours = 0
        for message in reversed(self.messages or ()):
            app, author = message.get("bot_id"), message.get("user")
            if author and not (app and is_bot(author)):
                break
            ours += app == self.bot_id
        return ours

    def authors(self, *, before: str) -> list[str]:
        """Return the users whose words an agent reads: writers, and those they forward."""
        earlier = self.earlier(before=before)
        found = {message.get("user") for message in earlier}
        forwarded = (quoted_authors(message.get("attachments") or ()) for message in earlier)
        return sorted(filter(None, found.union(*forwarded)))


def quoted_authors(attachments: Iterable[Message]) -> set[str]:
    """Return the users whose messages are forwarded in attachments."""
    return {str(each["author_id"]) for each in attachments if each.get("author_id")}


def active_speaker(messages: Sequence[Message], *, bot_id: str, is_bot: IsBot) -> Speaker | None:
    """Return the bot with which people talk, and its agent if it is ours; None if with no bot.

    It is the one that wrote last of this bot and of those whom a person has mentioned in the
    thread. Other apps, such as a CI system or a poll, only report there.
    """
    speaker: Speaker | None = None
    mentioned: set[str] = set()
    for message in messages:
        app, author = message.get("bot_id"), message.get("user")
        # Only Slack can write a bot's id. An app may also post with a person's token.
        if app == bot_id and _says_something(message):
            speaker = Speaker(bot_id, reply_payload(message, bot_id=bot_id).get("agent"))
        elif author and not (app and is_bot(author)):
            mentioned |= mentions_in(message)
        elif app and author in mentioned and _says_something(message):
            speaker = Speaker(app)
    return speaker


def _says_something(message: Message) -> bool:
    """Return False for a post of files only."""
    text = (message.get("text") or "").strip()
    return bool(text or message.get("blocks") or message.get("attachments"))


def reply_payload(message: Message, *, bot_id: str) -> Message:
    """Return the metadata's payload of one of our replies; empty for a message of anybody else.

    Metadata, names and text are what their sender wants them to be; `bot_id` is set by Slack.
    """
    metadata = message.get("metadata") or {}
    if message.get("bot_id") != bot_id or metadata.get("event_type") != REPLY_EVENT:
        return {}
    payload: Message = metadata.get("event_payload") or {}
    return payload


def fingerprint(messages: Sequence[Message], *, bot_id: str, until: str) -> str:
    """Return a hash of the messages up to a time stamp, which an edit or a deletion changes.

    Previews of links are added later and change nothing, and so do buttons of our own replies: of
    those, only the time stamps count.
    """
    known = [
        (each["ts"], *(() if each.get("bot_id") == bot_id else _content(each)))
        for each in messages
        if float(each["ts"]) <= float(until)
    ]
    return hashlib.sha256(repr(known).encode("utf-8", "replace")).hexdigest()


def _content(message: Message) -> tuple[Any, ...]:
    files = message.get("files") or ()
    return (
        message.get("text") or "",
        (message.get("edited") or {}).get("ts"),
        [each.get("id") for each in files if each.get("mode") != "tombstone"],
    )


class ThreadReader:
    """Read threads. Of a thread that was read lately only newer messages are fetched.

    Slack may tell another process of an edit. `tell` tells the others of a thread that has changed,
    who `hear` of it; `catch_up` returns True once this process has heard of all that have.
    """

    def __init__(
        self,
        client: WebClient,
        *,
        bot_id: str,
        clock: Callable[[], float] = time.monotonic,
        tell: Callable[[str], object] = lambda thread: None,
        catch_up: Callable[[], bool] = lambda: True,
    ) -> None:
        self._client = client
        self._bot_id = bot_id
        self._tell = tell
        self._catch_up = catch_up
        self._cache: TTLCache[tuple[str, str], tuple[Message, ...]] = TTLCache(
            CACHED_THREADS, CACHE_S, timer=clock
        )
        self._changes: Counter[str] = Counter()
        self._lock = threading.Lock()

    def read(self, channel: str, thread_ts: str) -> ThreadRead:
        """Return the thread as it is now. Never raises for an error of Slack."""
        key = (channel, thread_ts)
        is_current = self._catch_up()
        with self._lock:
            known, changes = self._cache.get(key) or (), self._changes[channel]
        if not is_current:  # A deleted text must not come back, however slow that is.
            known = ()
        try:
            # Without the lock: turns of other threads must not wait for this one's pages.
            newer = self._fetch(channel, thread_ts, after=known[-1]["ts"] if known else None)
        except SLACK_ERRORS as error:
            logger.warning("The thread %s in %s cannot be read: %s", thread_ts, channel, error)
            return ThreadRead(None, self._bot_id)
        messages = (*known, *newer)
        with self._lock:
            # If a message was edited or deleted while its thread was fetched, then what came may
            # still hold the old text. It is good for this turn and must not serve the next ones.
            # Only a whole thread is kept: one that is read all the time must be read anew, too.
            if not known and changes == self._changes[channel]:
                self._cache[key] = tuple(takewhile(_is_final, messages))
        return ThreadRead(messages, self._bot_id, cached=bool(known))

    def forget(self, channel: str, thread_ts: str) -> None:
        """Read the whole thread again next time, because one of its messages was changed.

        Without a *thread_ts* all threads of the channel: Slack does not always tell which it is.
        """
        self.hear(f"{channel}:{thread_ts}")
        self._tell(f"{channel}:{thread_ts}")

    def hear(self, thread: str) -> None:
        """Forget a thread of which another process has heard that it was changed."""
        channel, _, thread_ts = thread.partition(":")
        with self._lock:
            self._changes[channel] += 1
            for key in [each for each in self._cache if each[0] == channel]:
                if thread_ts in ("", key[1]):
                    self._cache.pop(key, None)

    def _fetch(self, channel: str, thread_ts: str, *, after: str | None) -> list[Message]:
        found: dict[str, Message] = {}
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            page = self._client.conversations_replies(
                channel=channel,
                ts=thread_ts,
                limit=PAGE,
                include_all_metadata=True,
                oldest=after,
                cursor=cursor,
            )
            found |= {each["ts"]: each for each in page["messages"]}
            cursor = (page.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                break
        # Slack returns the first message of the thread with every page, whatever `oldest` says, and
        # does not promise which page comes first.
        newer = [m for m in found.values() if after is None or float(m["ts"]) > float(after)]
        return sorted(newer, key=lambda each: float(each["ts"]))


def _is_final(message: Message) -> bool:
    """Return False for a message that a bot may still be writing: its metadata comes last."""
    if not message.get("bot_id") or message.get("metadata"):
        return True
    return float(message["ts"]) < time.time() - CACHE_S
