"""Find the decisions of a period, with the facts on which they depended."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from storage.database.base import Database
from storage.database.models import SpanRow
from storage.model.erasure import EDITED, ERASED

DECIDE, MESSAGE, INVOKE = "decide", "slack message", "invoke_agent"
COLUMNS = (
    *("trace_id", "name", "started_at", "team", "channel", "thread_ts", "message_ts", "user"),
    *("agent", "decision", "reason", "text", "attributes"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedDecision:
    """The decision on one message. `started_at` is in nanoseconds since the epoch.

    `text` is without the mention of the bot, None if it is not stored or was erased. `rule` is why
    the message was for the bot or not, before any permission was checked; `asker` is the standing
    of its author; `agents` are those that were asked. They are None if the record lacks them, as
    older ones do. `active_speaker` is the agent that wrote last in the thread, or the id of the
    bot. `refused` is agent → reason.
    """

    trace_id: str
    started_at: int
    team: str | None
    channel: str
    thread_ts: str | None
    message_ts: str
    user: str
    bot_id: str | None
    text: str | None
    edited: bool
    answered: bool
    reason: str
    rule: str | None
    asker: str | None
    agents: tuple[str, ...] | None
    active_speaker: str | None
    refused: Mapping[str, str]
    channel_type: str | None
    in_thread: bool


def recorded_decisions(database: Database, *, since: int) -> Iterator[RecordedDecision]:
    """Yield the decisions on the messages since a time, oldest first."""
    columns = [getattr(SpanRow, name) for name in COLUMNS]
    is_step = SpanRow.name.in_((DECIDE, MESSAGE)) | SpanRow.name.startswith(f"{INVOKE} ")
    ours = SpanRow.scope.is_null() & SpanRow.process.is_null(False)
    query = SpanRow.select(*columns).where(SpanRow.started_at >= since, is_step, ours)
    ordered = query.order_by(SpanRow.trace_id, SpanRow.started_at, SpanRow.span_id)
    rows = ordered.dicts().execute(database)
    for _, spans in groupby(rows, key=lambda row: row["trace_id"]):
        if (found := _decision(spans)) is not None:
            yield found


def _decision(spans: Iterable[Mapping[str, Any]]) -> RecordedDecision | None:
    root = decided = None
    invoked = []
    for span in spans:
        if span["name"] == MESSAGE:
            root = span
        elif span["name"] == DECIDE:
            decided = span
        elif span["agent"]:
            invoked.append(str(span["agent"]))
    if root is None or decided is None or not (decided["reason"] and root["channel"]):
        return None
    about, facts = _attributes(root), _attributes(decided)
    answered = decided["decision"] == "answer"
    return RecordedDecision(
        trace_id=root["trace_id"],
        started_at=root["started_at"],
        team=root["team"],
        channel=root["channel"],
        thread_ts=root["thread_ts"],
        message_ts=root["message_ts"] or "",
        user=root["user"] or "",
        bot_id=about.get("slack.bot_id"),
        text=None if ERASED in about else root["text"],
        edited=bool(about.get(EDITED)),
        answered=answered,
        reason=decided["reason"],
        rule=facts.get("rule"),
        asker=facts.get("asker"),
        agents=_asked(facts.get("agents"), invoked) if answered else (),
        active_speaker=facts.get("active_speaker"),
        refused=dict(_refused(facts.get("refused") or ())),
        channel_type=facts.get("channel_type"),
        in_thread=bool(facts.get("in_thread")),
    )


def _asked(recorded: list[str] | None, invoked: list[str]) -> tuple[str, ...] | None:
    """Return the agents; None for an older turn that ended before it asked one."""
    return tuple(dict.fromkeys(recorded or invoked)) or None


def _refused(recorded: Iterable[str]) -> Iterator[tuple[str, str]]:
    for each in recorded:
        agent, _, reason = each.partition(": ")
        yield agent, reason


def _attributes(span: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(span["attributes"] or "{}")
    return found
