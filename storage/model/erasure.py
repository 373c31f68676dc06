"""Which traces an erasure concerns, and what it leaves of a span.

Text goes: messages, replies, errors, events, and every attribute that may hold words of a person,
a model or a tool. Figures, ids, statuses, and the names of agents, providers and models stay.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from storage.model.semconv import OPERATIONS, READ_THREAD, REPLY, RESPONSE_ID
from storage.model.span import WITHIN, Span

ERASED = "tracebot.erased"
"""The attribute of a span that lost something to an erasure."""

CONTEXT = ("team", "channel", "thread_ts", "message_ts", "user")

REPLY_TS = "slack.reply_ts"
"""The attribute of the span of a reply with the time stamps of the reply's messages."""

HEARD = "slack.history.users"
"""The attribute of the span that read a turn's thread, with the ids of the authors."""

EDITED = "slack.edited_ts"
"""The attribute of a turn that an edit of its message started: the edit's time stamp."""

REPLACED = "tracebot.replaced_by"
"""The attribute of a question that has the text of a later edit: the edit's time stamp."""

OPERATION = "gen_ai.operation.name"
OWN_OPERATIONS = frozenset((*OPERATIONS.values(), "generate_content", "text_completion"))

KEPT = frozenset(
    (
        *(WITHIN, HEARD, EDITED, OPERATION, RESPONSE_ID, "gen_ai.conversation.id", "mode", "emoji"),
        *("gen_ai.response.finish_reasons", "messaging.system", "messaging.operation.type"),
        *("slack.event_id", "slack.event_type", "channel_type", "cache"),
        *("slack.bot_id", REPLY_TS),
        *("rule", "asker", "chosen_by", "agents"),
        *("active_speaker", "mime_type", "file_id", "tracebot.model.configured"),
        *("tracebot.session", "tracebot.session.reason"),
        *("tracebot.erasure.user", "tracebot.erasure.by", REPLACED),
    )
)
"""Attributes of our spans with names and ids, which stay. Of others, numbers and booleans do."""


CONVENTIONAL = ("gen_ai.", "tracebot.")
"""Beginnings of the names of figures that stay in spans of others. Other names may be text."""

STOPPED = re.compile(r"Stopped by [\w: -]{1,60}\.")
"""The error message of a turn that was cancelled. It is ours and stays."""


class Reach(Enum):
    """How much of a trace an erasure concerns."""

    NOTHING = 0
    QUOTES = 1
    """All but the question, which somebody else wrote: the rest may quote what is erased."""
    ALL = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """The facts of a trace on which an erasure depends.

    `heard` are the authors of the thread that its agent read, `replies` the messages that it
    posted, `edited_ts` is the version of the message that it answers, if that is an edited one, and
    `replaced_by` is that of a later edit, whose text is stored in place of the one that it answers.
    """

    started_at: int
    team: str | None = None
    channel: str | None = None
    thread_ts: str | None = None
    message_ts: str | None = None
    user: str | None = None
    heard: frozenset[str] = frozenset()
    replies: frozenset[str] = frozenset()
    edited_ts: str | None = None
    replaced_by: str = ""

    def with_facts_of(self, span: "Span") -> "Conversation":
        """Return the conversation with what one of the trace's spans adds to it."""
        missing = {name: getattr(span, name) for name in CONTEXT if getattr(self, name) is None}
        edited_ts = str(span.attributes.get(EDITED) or "") or self.edited_ts
        return replace(
            self,
            **missing,
            heard=self.heard | _listed(span, READ_THREAD, HEARD),
            replies=self.replies | _listed(span, REPLY, REPLY_TS),
            edited_ts=edited_ts,
            replaced_by=max(self.replaced_by, replaced_by(span)),
        )


def replaced_by(span: "Span") -> str:
    """Return the time stamp of the edit whose text a question has, "" if it has its own."""
    return str(span.attributes.get(REPLACED) or "") if is_question(span) else ""


def _listed(span: "Span", name: str, attribute: str) -> frozenset[str]:
    values = span.attributes.get(attribute) if span.name == name and _is_ours(span) else ()
    return frozenset(map(str, values if isinstance(values, list | tuple) else ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """The order to erase what `user` wrote, or one message.

    `at` is in nanoseconds since the epoch: what is recorded of a later question stays. `by` is the
    user who asked for it, `slack` for a message that was deleted or edited there, or `shell`.
    `edited_ts` is the version that an edit made of the message: what is recorded of it stays. A
    message that was deleted has none. Without a `team`, it concerns the user of that id in every
    workspace.
    """

    at: int
    by: str
    team: str | None = None
    user: str | None = None
    channel: str | None = None
    message_ts: str | None = None
    thread_ts: str | None = None
    edited_ts: str | None = None

    def reach(self, trace: Conversation) -> Reach:
        """Return how much of a trace this concerns."""
        reach = self._reach_of_all(trace)
        # An edit may be applied again, and the question has its text by then, or a newer one. Its
        # time is Slack's: the clocks of machines differ, and jump.
        newer_text = self.edited_ts and trace.replaced_by >= self.edited_ts
        return Reach.QUOTES if newer_text and reach is Reach.ALL else reach

    def overrules(self, edit: "Erasure") -> bool:
        """Return True if the text of an edit of the same message has no place any more."""
        if self.user is not None:
            return self.at > edit.at
        return not self.edited_ts or self.edited_ts > (edit.edited_ts or "")

    def _reach_of_all(self, trace: Conversation) -> Reach:
        if self.team and trace.team and self.team != trace.team:
            return Reach.NOTHING
        if self.user is not None:
            return self._reach_of_user(trace)
        if trace.channel != self.channel:
            return Reach.NOTHING
        if trace.message_ts == self.message_ts:
            # At whatever time: Slack may deliver a message after its deletion.
            is_newer = self.edited_ts and trace.edited_ts and trace.edited_ts >= self.edited_ts
            return Reach.NOTHING if is_newer else Reach.ALL
        if self.message_ts in trace.replies:
            return Reach.QUOTES
        came_later = (trace.message_ts or "") > (self.message_ts or "")
        read = came_later and trace.thread_ts == (self.thread_ts or self.message_ts)
        return Reach.QUOTES if read and trace.started_at <= self.at else Reach.NOTHING

    def _reach_of_user(self, trace: Conversation) -> Reach:
        if trace.started_at > self.at:
            return Reach.NOTHING
        if trace.user == self.user:
            return Reach.ALL
        return Reach.QUOTES if self.user in trace.heard else Reach.NOTHING


def is_question(span: Span) -> bool:
    """Return True for the span whose text is what the asker wrote."""
    return span.parent_id is None and _is_ours(span)


def _is_ours(span: Span) -> bool:
    """Return True for a span of this program: of no library, and recorded by a process of ours.

    A span that others sent has no process, and need not have a scope.
    """
    return span.scope is None and span.process is not None


def strip(span: Span, reach: Reach) -> bool:
    """Remove text from a span, and return whether there was any."""
    before = _texts(span)
    if reach is Reach.ALL or not is_question(span):
        span.text = None
    if not (_is_ours(span) and STOPPED.fullmatch(span.error_message or "")):
        span.error_message = None
    span.events = ()
    span.links = [{**link, "attributes": {}} for link in span.links]
    if _is_ours(span):
        span.attributes = _figures(span.attributes, KEPT)
    else:
        _strip_foreign(span)
    if _texts(span) == before:
        return False
    span.attributes = {**span.attributes, ERASED: True}
    return True


def _texts(span: Span) -> tuple[object, ...]:
    structures = (dict(span.attributes), list(span.events), list(span.links))
    return (span.name, span.text, span.error_type, span.error_message, *structures)


def _strip_foreign(span: Span) -> None:
    """Remove also what only in our own spans is never text: the name, and names of attributes."""
    operation = span.attributes.get(OPERATION)
    known = str(operation) if operation in OWN_OPERATIONS else None
    span.name = known or "span"
    span.error_type = None if span.error_type is None else "error"
    figures = _figures(span.attributes, frozenset((WITHIN, ERASED)))
    kept = {name: value for name, value in figures.items() if name.startswith(CONVENTIONAL)}
    span.attributes = {**kept, **({OPERATION: known} if known else {})}


def _figures(attributes: Mapping[str, Any], kept: frozenset[str]) -> dict[str, object]:
    return {
        name: value
        for name, value in attributes.items()
        if name in kept or isinstance(value, bool | int | float)
    }
