"""Go on with the session in which an agent answered a thread last, or begin a new one.

In its session a program still knows what it was told and what it found out, and its model has most
of that in the cache. So it is given only what is new. It begins anew with the whole conversation if
the session is gone, or if something changed on which the session depends: an earlier message, the
mode, or the settings of the agents file.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Literal, Protocol, runtime_checkable

from peewee import PeeweeException

from bot.agents.types import TOKENS, HistoryMessage, Reply, Request, Session
from storage.coordination.agent_sessions import AgentSession, SessionKey, put_session, take_session
from storage.database.base import Database
from storage.errors import StorageError
from storage.model.trace_context import began_at
from storage.store.shared_erasures import known_since

Way = Literal["resumed", "fresh", "fallback"]

SESSION_ID = re.compile(r"[A-Za-z0-9][\w-]{0,127}", re.ASCII)
"""An id that may be passed to a program as an argument: it cannot be taken for an option."""

SETTINGS, THREAD, GONE = "settings_changed", "thread_changed", "gone"
UNKNOWN = "database_unavailable"
"""Why an agent begins anew although it has, or may have, a session."""

logger = logging.getLogger("tracebot.sessions")


@runtime_checkable
class SessionProvider(Protocol):
    """A provider whose program can go on with a session."""

    def session_settings(self, request: Request) -> str | None:
        """Return a fingerprint of the settings on which a session depends.

        None if this provider begins a new session for each question.
        """


class ThreadSession:
    """The session of one provider of an agent, for one question in a thread.

    `request` is what the provider is asked. Failures of the database are logged: the agent then
    begins anew.
    """

    def __init__(self, database: Database, agent: str, provider: object, request: Request) -> None:
        self._database = database
        self._whole = self.request = request
        self._agent = agent
        self._key: SessionKey | None = None
        self._settings = ""
        self.way: Way = "fresh"
        self.reason: str | None = None
        thread = request.thread
        if thread is None or not request.ts or not isinstance(provider, SessionProvider):
            return
        settings = provider.session_settings(request)
        if settings is not None:
            self._settings = settings
            self._key = SessionKey(
                team=thread.team,
                channel=request.channel or "",
                thread_ts=request.thread_ts or "",
                agent=agent,
                provider=getattr(provider, "name", ""),
            )

    def take(self) -> None:
        """Take the stored session, and ask only what is new if the agent can go on with it."""
        stored = None
        if self._key is not None:
            with self._without_failing():
                stored = take_session(self._database, self._key, settings=self._settings)
        if stored is None:
            return
        news = self._news(stored)
        if stored.settings != self._settings:
            self.begin_anew(SETTINGS)
        elif news is None or stored.session_id is None:
            self.begin_anew(THREAD)
        else:
            self.way = "resumed"
            session = Session(
                id=stored.session_id, **{name: getattr(stored, name) for name in TOKENS}
            )
            # The instructions are part of the settings: the session has the same ones.
            self.request = replace(self._whole, instructions="", history=news, session=session)

    def begin_anew(self, reason: str) -> None:
        """Ask with the whole conversation instead of going on."""
        self.way, self.reason, self.request = "fallback", reason, self._whole

    def keep(self, reply: Reply, trace_id: str) -> None:
        """Store the session in which the question was answered."""
        thread, before = self._whole.thread, self.request.session
        if self._key is None or thread is None or not SESSION_ID.fullmatch(reply.session_id or ""):
            return
        if self.reason == UNKNOWN:  # The answer must not wait for the database once more.
            return
        session = AgentSession(
            session_id=reply.session_id,
            settings=self._settings,
            thread=thread.fingerprint(self._whole.ts),
            since=self._whole.ts,
            trace_id=trace_id,
            **{name: getattr(before, name, 0) + (getattr(reply, name) or 0) for name in TOKENS},
        )
        with self._without_failing():
            put_session(self._database, self._key, session)
            # Only now: from here on, an erasure finds the session itself.
            if self._has_forgotten(since=began_at(trace_id)):
                put_session(self._database, self._key, replace(session, session_id=None))

    def _has_forgotten(self, *, since: int) -> bool:
        """Return True if somebody was forgotten meanwhile, who may have written in this thread.

        A message that was edited or deleted changes the thread, which is noticed by itself.
        """
        return any(each.user is not None for each in known_since(self._database, since))

    def attributes(self) -> dict[str, object]:
        """Return span attributes that say how the agent was asked, if it has sessions."""
        if self._key is None:
            return {}
        reason = {} if self.reason is None else {"tracebot.session.reason": self.reason}
        return {"tracebot.session": self.way, **reason}

    def _news(self, stored: AgentSession) -> tuple[HistoryMessage, ...] | None:
        """Return the messages since the last question, without the session's own answer.

        None if a message that the session knows was edited or deleted, its own answer included.
        """
        thread = self._whole.thread
        if thread is None or thread.fingerprint(stored.since) != stored.thread:
            return None
        history, since = self._whole.history, float(stored.since)
        # The note on what is left out has no time stamp: it is new if it comes after what is known.
        known = [n for n, each in enumerate(history) if each.ts and float(each.ts) <= since]
        new = history[known[-1] + 1 if known else 0 :]
        others = tuple(each for each in new if not self._is_own(each, stored.trace_id))
        return others if len(others) < len(new) else None

    def _is_own(self, message: HistoryMessage, trace_id: str) -> bool:
        return (message.agent, message.author, message.trace_id) == (True, self._agent, trace_id)

    @contextmanager
    def _without_failing(self) -> Iterator[None]:
        """Go on if the database is locked, full or gone: the next session is then a new one."""
        try:
            yield
        except (PeeweeException, StorageError, OSError) as error:
            logger.warning("%s's session is not remembered: %s", self._agent, error)
            self.reason = self.reason or UNKNOWN
