"""Read Slack threads: their messages, who spoke last, and what was said before."""

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from cachetools import TTLCache
from slack_sdk import WebClient

from bot.agents.types import HistoryMessage
from bot.slack.errors import SLACK_ERRORS
from bot.slack.types import Speaker, Thread

PAGE = 200
MAX_PAGES = 50
"""At most 10,000 messages are read; what comes after them in a longer thread is not seen."""

CACHED_THREADS = 500
CACHE_S = 600.0
AGENT_MARK = re.compile(r"\(@([\w.-]+)\)")
"""How other bots name the agent that speaks, at the end of a message: `(@claude)`."""

REPLY_EVENT = "tracebot_reply"
"""The `event_type` in the metadata of our own replies."""

logger = logging.getLogger("tracebot.thread")

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ThreadRead:
    """A thread's messages, oldest first, or None if Slack does not let the bot read them."""

    messages: tuple[Message, ...] | None
    cached: bool = False

    def thread(self) -> Thread:
        """Return the part that decisions need."""
        if self.messages is None:
            return Thread(readable=False)
        return Thread(active_speaker(self.messages))

    def history(self, *, before: str) -> tuple[HistoryMessage, ...]:
        """Return what was said before the message with the time stamp `before`."""
        return tuple(
            HistoryMessage(author=_author(message), text=message.get("text", ""))
            for message in self.messages or ()
            if float(message["ts"]) < float(before) and message.get("text", "").strip()
        )


def active_speaker(messages: Sequence[Message]) -> Speaker | None:
    """Return the bot that wrote last, None if no bot did.

    Its agent is read from the message's metadata, else from a mark such as `(@claude)` in the text.
    """
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
    """Read threads. Of a thread that was read lately only newer messages are fetched."""

    def __init__(self, client: WebClient, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._cache: TTLCache[tuple[str, str], tuple[Message, ...]] = TTLCache(
            CACHED_THREADS, CACHE_S, timer=clock
        )
        self._changes = 0
        self._lock = threading.Lock()

    def read(self, channel: str, thread_ts: str) -> ThreadRead:
        """Return the thread as it is now. Never raises for an error of Slack."""
        key = (channel, thread_ts)
        with self._lock:
            known, changes = self._cache.get(key) or (), self._changes
        try:
            # Without the lock: turns of other threads must not wait for this one's pages.
            newer = self._fetch(channel, thread_ts, after=known[-1]["ts"] if known else None)
        except SLACK_ERRORS as error:
            logger.warning("The thread %s in %s cannot be read: %s", thread_ts, channel, error)
            return ThreadRead(None)
        messages = (*known, *newer)
        with self._lock:
            # If a message was edited or deleted while its thread was fetched, then what came may
            # still hold the old text. It is good for this turn and must not serve the next ones.
            if changes == self._changes:
                self._cache[key] = tuple(takewhile(_is_final, messages))
        return ThreadRead(messages, cached=bool(known))

    def forget(self, channel: str, thread_ts: str) -> None:
        """Read the whole thread again next time, because one of its messages was changed."""
        with self._lock:
            self._changes += 1
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
        # Slack returns the first message of the thread with every page, whatever `oldest` says.
        return [m for m in messages if after is None or float(m["ts"]) > float(after)]


def _is_final(message: Message) -> bool:
    """Return False for a message that a bot may still be writing: its metadata comes last."""
    if not message.get("bot_id") or message.get("metadata"):
        return True
    return float(message["ts"]) < time.time() - CACHE_S


def _author(message: Message) -> str:
    payload = (message.get("metadata") or {}).get("event_payload") or {}
    return str(payload.get("agent") or message.get("user") or message.get("username") or "bot")
