"""Record what people think of an answer: by its thumbs, or by reactions."""

import logging
import threading
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from peewee import PeeweeException
from slack_sdk import WebClient

from bot.concurrency.event_dedup import EventDedup
from bot.replies.reason_modal import Reason, reason_modal
from bot.settings import emoji_name
from bot.slack.directory import Directory
from bot.slack.errors import SLACK_ERRORS
from bot.slack.threads import reply_payload
from storage import Observability
from storage.model.records import FEEDBACK
from storage.model.redaction import redact_name
from storage.queries.lookups import message_traces, traces_by_id
from storage.queries.traces import TraceSummary, trace_spans

GOOD, BAD = 1.0, 0.0
THUMBS: Mapping[str, float] = {"+1": GOOD, "-1": BAD}
"""The thumbs below an answer, and the score of each."""

BUTTON = "button"
"""The source of a score that comes from the thumbs. That of a reaction is `TS:EMOJI`."""

STORED_S = 30.0
"""How long a rating waits, in the background, until the trace that it rates is stored."""

LOOK_S = 0.5
"""How often it looks if the bot stops, which waits for no database."""

logger = logging.getLogger("tracebot.feedback")


class Feedback:
    """Record a reaction as a span of the trace that it is about, and a thumb as a score of it.

    *reactions* are the scores of the emoji that count. If people are *asked*, they may say why when
    they press 👎. Once *closing* is set, nothing waits for the database.
    """

    def __init__(
        self,
        *,
        client: WebClient,
        team: str,
        bot_user: str,
        bot_id: str,
        observability: Observability,
        dedup: EventDedup,
        directory: Directory,
        reactions: Mapping[str, float],
        asked: bool,
        closing: threading.Event,
    ) -> None:
        self._client = client
        self._team = team
        self._bot_user = bot_user
        self._bot_id = bot_id
        self._observability = observability
        self._dedup = dedup
        self._directory = directory
        self._reactions = reactions
        self._asked = asked
        self._closing = closing

    def reacted(self, body: Mapping[str, Any], *, added: bool) -> None:
        """Record a person's reaction to one of our answers, or to a message that we answered."""
        event = body["event"]
        item = event.get("item")
        if not isinstance(item, dict):
            return
        # Bolt drops the bot's own reactions. Other apps mark messages, too, and rate nothing.
        if item.get("type") != "message" or self._is_app(event["user"]):
            return
        try:
            trace = self._trace_of(item["channel"], item["ts"], body)
        except (*SLACK_ERRORS, PeeweeException) as error:
            logger.warning("The trace of a reaction cannot be found: %s", error)
            return
        if trace is not None:
            # Not by the event's id: in a channel of Slack Connect each company has one of its own.
            # The key is stored, and a workspace names its emoji as it likes.
            emoji = redact_name(event["reaction"])
            what = (item["channel"], item["ts"], event["user"], emoji)
            key = f"reaction:{':'.join(what)}:{event['event_ts']}"
            self._dedup.once(key, partial(self._record_reaction, trace, event, added=added))

    def thumb_pressed(self, body: Mapping[str, Any]) -> None:
        """Record a press of one of the thumbs below an answer, whose value names its trace."""
        thumb, _, trace_id = _value(body).partition(" ")
        if thumb not in THUMBS:
            return
        trace = self._trace(trace_id)
        # Of a press Slack tells the channel: it is the one where the trace was answered.
        if trace is None or trace.channel != _channel(body):
            return
        user, at = body["user"]["id"], _nanoseconds(body["actions"][0].get("action_ts"))
        self._record_span(trace, user, thumb, added=True)
        self._record_score(trace, user, BUTTON, THUMBS[thumb], label=thumb, at=at)

    def ask_reason(self, body: Mapping[str, Any]) -> None:
        """Ask what was wrong after a press of 👎. Slack allows that for three seconds."""
        thumb, _, trace_id = _value(body).partition(" ")
        if not self._asked or THUMBS.get(thumb) != BAD:
            return
        pressed_at = _nanoseconds(body["actions"][0].get("action_ts"))
        view = reason_modal(Reason(trace_id, pressed_at, _channel(body)))
        try:
            self._client.views_open(trigger_id=body["trigger_id"], view=view)
        except SLACK_ERRORS as error:
            logger.info("Nobody was asked for the reason of a 👎: %s", error)

    def explained(self, body: Mapping[str, Any]) -> None:
        """Record the reason of a 👎, or take the 👎 back."""
        reason = Reason.submitted(body["view"])
        trace = None if reason is None else self._trace(reason.trace_id)
        if reason is None or trace is None or not (reason.text or reason.withdrawn):
            return
        if trace.channel != reason.channel:
            return
        value = None if reason.withdrawn else BAD
        # A moment after its press: if another thumb was pressed since, that one counts.
        at = reason.pressed_at + 1
        user = body["user"]["id"]
        self._record_score(trace, user, BUTTON, value, label="-1", text=reason.text, at=at)

    def _is_app(self, user: str) -> bool:
        try:
            return bool(self._directory.user(user).get("is_bot"))
        except SLACK_ERRORS as error:
            logger.info("Slack did not tell who reacted, so it counts as a person: %s", error)
            return False

    def _trace(self, trace_id: str) -> TraceSummary | None:
        """Return the trace that a button or a modal of ours names."""
        self._wait_for_trace()
        try:
            found = traces_by_id(self._observability.database, trace_id)
        except PeeweeException as error:
            logger.warning("The trace of a thumb cannot be found: %s", error)
            return None
        ours = [each for each in found if each.team == self._team and each.trace_id == trace_id]
        return next(iter(ours), None)

    def _wait_for_trace(self) -> None:
        """Wait until what a turn recorded a moment ago is in the database."""
        until = time.monotonic() + STORED_S
        while not self._observability.flush(LOOK_S):
            if self._closing.is_set() or time.monotonic() >= until:
                return

    def _trace_of(self, channel: str, ts: str, body: Mapping[str, Any]) -> TraceSummary | None:
        database = self._observability.database
        self._wait_for_trace()
        if body["event"].get("item_user") != self._bot_user:
            found_here = message_traces(database, channel=channel, message_ts=ts)
            # Another workspace in this database may have the same message, of a shared channel.
            return next((trace for trace in found_here if trace.team == self._team), None)
        # Without a limit of 1: Slack may put the first message of the thread before this one.
        found = self._client.conversations_replies(
            channel=channel, ts=ts, oldest=ts, latest=ts, inclusive=True, include_all_metadata=True
        )
        for message in found["messages"]:
            trace_id = reply_payload(message, bot_id=self._bot_id).get("trace_id")
            if message["ts"] == ts and trace_id:
                return next(iter(traces_by_id(database, trace_id)), None)
        return None

    def _record_reaction(
        self, trace: TraceSummary, event: Mapping[str, Any], *, added: bool
    ) -> None:
        emoji, user = str(event["reaction"]), event["user"]
        self._record_span(trace, user, emoji, added=added)
        name = emoji_name(emoji)
        value = self._reactions.get(name)
        # What is removed may have counted when it was added: the list can change.
        if trace.decision != "skip" and (value is not None or not added):
            source, at = f"{event['item']['ts']}:{emoji}", _nanoseconds(event["event_ts"])
            self._record_score(trace, user, source, value if added else None, label=name, at=at)

    def _record_score(
        self, trace: TraceSummary, user: str, source: str, value: float | None, **more: Any
    ) -> None:
        self._observability.record_score(
            trace.trace_id, name=FEEDBACK, user=user, value=value, source=source, **more
        )

    def _record_span(self, trace: TraceSummary, user: str, emoji: str, *, added: bool) -> None:
        root = trace_spans(self._observability.database, trace.trace_id)[0]
        span = self._observability.start_span(
            "reaction added" if added else "reaction removed",
            {
                "team": trace.team,
                "channel": trace.channel,
                "audience": trace.audience,
                "thread_ts": trace.thread_ts,
                "message_ts": trace.message_ts,
                "user": user,
                "emoji": emoji,
            },
            kind="consumer",
            parent=(root.trace_id, root.span_id),
        )
        self._observability.end_span(span)


def _value(body: Mapping[str, Any]) -> str:
    return str(body["actions"][0].get("value") or "")


def _channel(body: Mapping[str, Any]) -> str:
    return str((body.get("channel") or {}).get("id") or "")


def _nanoseconds(ts: object) -> int:
    """Return the time of one of Slack's time stamps, now if it is not one."""
    seconds, _, micros = str(ts).partition(".")
    if not (seconds.isdecimal() and micros.isdecimal() and len(seconds) < 11):
        return time.time_ns()
    return int(seconds) * 10**9 + int(f"{micros:0<9}"[:9])
