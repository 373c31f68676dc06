"""Record reactions to answers, and follow edits and deletions of messages."""

import logging
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from peewee import PeeweeException
from slack_sdk import WebClient

from bot.concurrency.event_dedup import EventDedup
from bot.slack.conversation.conversation import ConversationReader
from bot.slack.errors import SLACK_ERRORS
from bot.slack.own_deletions import OwnDeletions
from bot.slack.threads import ThreadReader, reply_payload
from bot.slack.types import edited_ts
from bot.turns.cancel import TurnCanceller
from bot.turns.eraser import Eraser
from storage import Observability
from storage.model.erasure import Erasure
from storage.model.redaction import redact_name
from storage.queries.traces import TraceSummary, message_traces, trace_spans, traces_by_id

THUMBS: Mapping[str, float] = {"+1": 1.0, "thumbsup": 1.0, "-1": 0.0, "thumbsdown": 0.0}

FLUSH_S = 1.0
"""How long a reaction waits for the database, in the background, before its trace is looked up."""

logger = logging.getLogger("tracebot.feedback")


class Feedback:
    """Record a reaction as a span of the trace that it is about, and a thumb as a score of it."""

    def __init__(
        self,
        *,
        client: WebClient,
        team: str,
        bot_user: str,
        bot_id: str,
        observability: Observability,
        dedup: EventDedup,
        threads: ThreadReader,
        canceller: TurnCanceller,
        eraser: Eraser,
        deletions: OwnDeletions,
        reader: ConversationReader,
    ) -> None:
        self._client = client
        self._team = team
        self._bot_user = bot_user
        self._bot_id = bot_id
        self._observability = observability
        self._dedup = dedup
        self._threads = threads
        self._canceller = canceller
        self._eraser = eraser
        self._deletions = deletions
        self._reader = reader

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
        if trace is not None:
            # Not by the event's id: in a channel of Slack Connect each company has one of its own.
            # The key is stored, and a workspace names its emoji as it likes.
            emoji = redact_name(event["reaction"])
            what = (item["channel"], item["ts"], event["user"], emoji)
            key = f"reaction:{':'.join(what)}:{event['event_ts']}"
            self._dedup.once(key, partial(self._record, trace, event, added=added))

    def thumb_pressed(self, body: Mapping[str, Any]) -> None:
        """Record a press of one of the thumbs below an answer, whose value names its trace."""
        thumb, _, trace_id = str(body["actions"][0].get("value") or "").partition(" ")
        if thumb not in THUMBS:
            return
        self._observability.flush(FLUSH_S)
        try:
            found = traces_by_id(self._observability.database, trace_id)
        except PeeweeException as error:
            logger.warning("The trace of a thumb cannot be found: %s", error)
            return
        ours = [trace for trace in found if trace.team == self._team]
        if len(ours) == 1:
            event = {"user": body["user"]["id"], "reaction": thumb}
            self._record(ours[0], event, added=True)

    def message_changed(self, body: Mapping[str, Any]) -> None:
        """Erase what is stored of a message that was deleted, or store the text it has now.

        The turn of a deleted question is cancelled.
        """
        event = body["event"]
        before, after = event.get("previous_message") or {}, event.get("message") or {}
        ts = event.get("deleted_ts") or before.get("ts") or after.get("ts")
        # Slack does not remove a message that has replies: a tombstone takes its place.
        deleted = not after or after.get("subtype") == "tombstone"
        if before.get("thread_ts"):
            self._threads.forget(event["channel"], before["thread_ts"])
        if not ts or after.get("user") == self._bot_user:
            return  # A live reply of ours.
        if (event["channel"], ts) in self._deletions:
            return  # It has become another message.
        same_files = _files(after) >= _files(before)
        if not deleted and same_files and after.get("text") == before.get("text"):
            return  # Slack showed a link's preview, or noted that the thread has a reply.
        self._eraser.add(
            Erasure(
                at=time.time_ns(),
                by="slack",
                team=self._team,
                channel=event["channel"],
                message_ts=ts,
                thread_ts=before.get("thread_ts") or after.get("thread_ts"),
                edited_ts=None if deleted else edited_ts(after),
            ),
            text=None if deleted else self._reader.stored(after),
        )
        if deleted:
            self._canceller.message_deleted(event["channel"], ts)
        self._eraser.apply()

    def _trace_of(self, channel: str, ts: str, body: Mapping[str, Any]) -> TraceSummary | None:
        database = self._observability.database
        # What the turn recorded a moment ago may still be on its way to the database.
        self._observability.flush(FLUSH_S)
        if body["event"].get("item_user") != self._bot_user:
            found_here = message_traces(database, channel=channel, message_ts=ts)
            # Another workspace in this database may have the same message, of a shared channel.
            return next((trace for trace in found_here if trace.team == self._team), None)
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


def _files(message: Mapping[str, Any]) -> frozenset[str]:
    """Return the ids of the message's files, without those that were deleted."""
    files = message.get("files") or ()
    return frozenset(str(each.get("id")) for each in files if each.get("mode") != "tombstone")
