"""Record reactions to answers, and follow edits and deletions of messages."""

import logging
from collections.abc import Mapping
from typing import Any

from peewee import PeeweeException
from slack_sdk import WebClient

from bot.concurrency.event_dedup import EventDedup
from bot.settings import Settings
from bot.slack.errors import SLACK_ERRORS
from bot.slack.threads import ThreadReader, reply_payload
from bot.slack.types import team_of
from bot.turns.cancel import TurnCanceller
from storage import Observability
from storage.queries.traces import TraceSummary, message_traces, trace_spans, traces_by_id
from storage.upkeep.erasure import erase_text

THUMBS: Mapping[str, float] = {"+1": 1.0, "thumbsup": 1.0, "-1": 0.0, "thumbsdown": 0.0}

logger = logging.getLogger("tracebot.feedback")


class Feedback:
    """Record a reaction as a span of the trace that it is about, and a thumb as a score of it."""

    def __init__(
        self,
        *,
        client: WebClient,
        bot_user: str,
        bot_id: str,
        observability: Observability,
        dedup: EventDedup,
        threads: ThreadReader,
        canceller: TurnCanceller,
        settings: Settings,
    ) -> None:
        self._client = client
        self._bot_user = bot_user
        self._bot_id = bot_id
        self._observability = observability
        self._dedup = dedup
        self._threads = threads
        self._canceller = canceller
        self._settings = settings

    def reacted(self, body: Mapping[str, Any], *, added: bool) -> None:
        """Record a person's reaction to one of our answers, or to a message that we answered."""
        event = body["event"]
        item = event["item"]
        if item["type"] != "message":  # Bolt drops the bot's own reactions.
            return
        try:
            trace = self._trace_of(item["channel"], item["ts"], body)
        except (*SLACK_ERRORS, PeeweeException) as error:
            logger.warning("The trace of a reaction cannot be found: %s", error)
            return
        event_id = f"event:{body.get('event_id')}"
        if trace is not None and self._dedup.is_new(event_id) and self._dedup.claim(event_id):
            self._record(trace, event, added=added)

    def message_changed(self, body: Mapping[str, Any]) -> None:
        """Replace or erase the stored text of a message that was edited or deleted.

        The turn of a deleted question is cancelled.
        """
        event = body["event"]
        before, after = event.get("previous_message") or {}, event.get("message") or {}
        ts = event.get("deleted_ts") or after["ts"]
        # Slack does not remove a message that has replies: a tombstone takes its place.
        deleted = not after or after.get("subtype") == "tombstone"
        if before.get("thread_ts"):
            self._threads.forget(event["channel"], before["thread_ts"])
        if after.get("user") == self._bot_user:
            return  # A live reply of ours.
        if deleted:
            self._canceller.message_deleted(event["channel"], ts)
        text = None if deleted else after.get("text")
        try:
            # The text may still be on its way to the database, where it has to be replaced.
            self._observability.flush(1.0)
            erase_text(
                self._observability.database,
                channel=event["channel"],
                message_ts=ts,
                replacement=self._settings.captured(text) if text else None,
            )
        except PeeweeException as error:
            logger.error("The stored text of an edited or deleted message stays: %s", error)

    def _trace_of(self, channel: str, ts: str, body: Mapping[str, Any]) -> TraceSummary | None:
        database = self._observability.database
        if body["event"].get("item_user") != self._bot_user:
            found_here = message_traces(database, channel=channel, message_ts=ts)
            # Another workspace in this database may have the same message, of a shared channel.
            return next((trace for trace in found_here if trace.team == team_of(body)), None)
        found = self._client.conversations_replies(
            channel=channel, ts=ts, latest=ts, inclusive=True, limit=1, include_all_metadata=True
        )
        for message in found["messages"]:
            trace_id = reply_payload(message, bot_id=self._bot_id).get("trace_id")
            if message["ts"] == ts and trace_id:
                return next(iter(traces_by_id(database, trace_id)), None)
        return None

    def _record(self, trace: TraceSummary, event: Mapping[str, Any], *, added: bool) -> None:
        name = str(event["reaction"])
        root = trace_spans(self._observability.database, trace.trace_id)[0]
        span = self._observability.start_span(
            "reaction added" if added else "reaction removed",
            {
                "team": trace.team,
                "channel": trace.channel,
                "audience": trace.audience,
                "thread_ts": trace.thread_ts,
                "message_ts": trace.message_ts,
                "user": event["user"],
                "emoji": name,
            },
            kind="consumer",
            parent=(root.trace_id, root.span_id),
        )
        self._observability.end_span(span)
        thumb = name.partition("::")[0]
        if thumb not in THUMBS:
            return
        self._observability.record_score(
            trace.trace_id,
            name="user_feedback",
            user=event["user"],
            value=THUMBS[thumb] if added else None,
            label=thumb,
        )
