"""Reading a Slack thread: all of it, newest speaker and history."""

import logging
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from slack_sdk import WebClient

from bot.agents.types import HistoryMessage
from bot.slack.errors import SLACK_ERRORS
from bot.slack.types import Speaker, Thread

PAGE = 200
MAX_PAGES = 50
"""10,000 messages: past this a thread is read from its beginning only."""

CACHED_THREADS = 500
CACHE_S = 600.0
AGENT_MARK = re.compile(r"\(@([\w.-]+)\)")
REPLY_EVENT = "tracebot_reply"
"""The metadata event type of our own answers."""

logger = logging.getLogger("tracebot.thread")

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ThreadRead:
    """A thread's messages, oldest first; None of them where Slack would not show it."""

    messages: tuple[Message, ...] | None
    cached: bool = False

    def thread(self) -> Thread:
        if self.messages is None:
            return Thread(readable=False)
        return Thread(active_speaker(self.messages))

    def history(self, *, before: str) -> tuple[HistoryMessage, ...]:
        """What was said before the message `before`, without it."""
        return tuple(
            HistoryMessage(author=_author(message), text=message.get("text", ""))
            for message in self.messages or ()
            if float(message["ts"]) < float(before) and message.get("text", "").strip()
        )


def active_speaker(messages: Sequence[Message]) -> Speaker | None:
    """The bot of the newest message in which a bot said something, read from its metadata, else
    from its text `(@agent)`, else from the bot's id."""
    for message in reversed(messages):
        bot_id = message.get("bot_id")
        if not bot_id or not message.get("text", "").strip():
            continue
        payload = (message.get("metadata") or {}).get("event_payload") or {}
        agent = payload.get("agent") or payload.get("agent_id")
        if agent is None and (mark := AGENT_MARK.search(message["text"])):
            agent = mark.group(1)
        return Speaker(bot_id, agent)
    return None


class ThreadReader:
    """Reads threads, and of one that it read lately only what is new."""

    def __init__(self, client: WebClient, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._cache: OrderedDict[tuple[str, str], tuple[float, tuple[Message, ...]]] = OrderedDict()

    def read(self, channel: str, thread_ts: str) -> ThreadRead:
        read_at, known = self._cache.get((channel, thread_ts), (0.0, ()))
        fresh = bool(known) and self._clock() - read_at < CACHE_S
        known = known if fresh else ()
        try:
            newer = self._fetch(channel, thread_ts, after=known[-1]["ts"] if known else None)
        except SLACK_ERRORS as error:
            logger.warning("The thread %s in %s cannot be read: %s", thread_ts, channel, error)
            return ThreadRead(None)
        messages = (*known, *newer)
        self._remember((channel, thread_ts), messages)
        return ThreadRead(messages, cached=fresh)

    def forget(self, channel: str, thread_ts: str) -> None:
        """A message of the thread was changed or deleted."""
        self._cache.pop((channel, thread_ts), None)

    def _fetch(self, channel: str, thread_ts: str, *, after: str | None) -> list[Message]:
        messages: list[Message] = []
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
            messages += page["messages"]
            cursor = (page.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                break
        # The root comes with every answer, whatever `oldest` says.
        return [m for m in messages if after is None or float(m["ts"]) > float(after)]

    def _remember(self, key: tuple[str, str], messages: tuple[Message, ...]) -> None:
        self._cache[key] = (self._clock(), tuple(takewhile(_is_whole, messages)))
        self._cache.move_to_end(key)
        while len(self._cache) > CACHED_THREADS:
            self._cache.popitem(last=False)


def _is_whole(message: Message) -> bool:
    """Whether it will stay as it is: a bot may still be writing one that has no metadata yet."""
    if not message.get("bot_id") or message.get("metadata"):
        return True
    return float(message["ts"]) < time.time() - CACHE_S


def _author(message: Message) -> str:
    payload = (message.get("metadata") or {}).get("event_payload") or {}
    return str(payload.get("agent") or message.get("user") or message.get("username") or "bot")
