"""Follow edits and deletions of messages: what is stored of them changes with them."""

import time
from collections.abc import Mapping
from typing import Any

from bot.concurrency.lanes import Lanes
from bot.slack.conversation.blocks import objects
from bot.slack.conversation.conversation import ConversationReader
from bot.slack.conversation.message_attachments import is_pasted_table
from bot.slack.own_deletions import OwnDeletions
from bot.slack.threads import ThreadReader
from bot.slack.types import edited_ts, is_pasted
from bot.turns.cancel import TurnCanceller
from bot.turns.eraser import Eraser
from storage.model.erasure import Erasure

CONTENT = ("text", "blocks", "attachments", "files", "subtype", "edited")
"""The fields of a message that readers of a thread, or the record, have from it."""


class MessageChanges:
    """Erase what is stored of a message that was deleted, or store the text it has now."""

    def __init__(
        self,
        *,
        team: str,
        bot_user: str,
        threads: ThreadReader,
        canceller: TurnCanceller,
        eraser: Eraser,
        lanes: Lanes,
        deletions: OwnDeletions,
        reader: ConversationReader,
    ) -> None:
        self._team = team
        self._bot_user = bot_user
        self._threads = threads
        self._canceller = canceller
        self._eraser = eraser
        self._lanes = lanes
        self._deletions = deletions
        self._reader = reader

    def notice(self, body: Mapping[str, Any]) -> None:
        """Read the thread anew from now on, in this process. It waits for no database."""
        event = body["event"]
        if (thread_ts := _changed_thread(event)) is not None:
            self._threads.hear(f"{event['channel']}:{thread_ts}")

    def follow(self, body: Mapping[str, Any]) -> None:
        """Follow one change. The turn of a deleted question is cancelled."""
        event = body["event"]
        thread_ts = _changed_thread(event)
        if thread_ts is not None:
            self._threads.forget(event["channel"], thread_ts)
        erasure = self._erasure(event)
        if erasure is None:
            return
        channel, ts, deleted = event["channel"], _changed_ts(event), _is_deleted(event)
        self._lanes.changed(channel, ts)
        self._eraser.add(erasure, text=None if deleted else self._reader.stored(event["message"]))
        if deleted:
            self._canceller.message_deleted(channel, ts)
        self._eraser.apply()

    def leave(self, body: Mapping[str, Any]) -> None:
        """Leave a change, which Slack does not tell again, to the next process."""
        erasure = self._erasure(body["event"])
        if erasure is not None:
            self._eraser.add(erasure, text=None)

    def _erasure(self, event: Mapping[str, Any]) -> Erasure | None:
        """Return what a change erases, None if nothing."""
        before, after = event.get("previous_message") or {}, event.get("message") or {}
        ts, deleted = _changed_ts(event), _is_deleted(event)
        if not ts or after.get("user") == self._bot_user:
            return None  # A live reply of ours.
        if (event["channel"], ts) in self._deletions:
            return None  # It has become another message.
        same_files = _files(after) >= _files(before)
        if not deleted and same_files and _said(after) == _said(before):
            return None  # Slack showed a link's preview, or looked at a file.
        return Erasure(
            at=time.time_ns(),
            by="slack",
            team=self._team,
            channel=event["channel"],
            message_ts=ts,
            thread_ts=_changed_thread(event) or None,
            edited_ts=None if deleted else _edited_ts(event),
        )


def is_bookkeeping(event: Mapping[str, Any]) -> bool:
    """Return True if a message says what it said: Slack counted a reply, or its session changed.

    Slack tells of each reply in this way, as a change of the thread's first message.
    """
    before, after = event.get("previous_message") or {}, event.get("message") or {}
    return bool(before and after) and all(before.get(key) == after.get(key) for key in CONTENT)


def _changed_ts(event: Mapping[str, Any]) -> str:
    """Return the time stamp of a changed message, "" if Slack does not tell it."""
    before, after = event.get("previous_message") or {}, event.get("message") or {}
    return str(event.get("deleted_ts") or before.get("ts") or after.get("ts") or "")


def _edited_ts(event: Mapping[str, Any]) -> str:
    """Return Slack's time of a change: a deleted file leaves that of the last edit as it was."""
    edited = edited_ts(event["message"])
    before = edited_ts(event.get("previous_message") or {})
    return edited if edited and edited != before else str(event.get("ts") or "")


def _is_deleted(event: Mapping[str, Any]) -> bool:
    """Return True if a message was deleted; if it has replies, a tombstone takes its place."""
    after = event.get("message") or {}
    return not after or after.get("subtype") == "tombstone"


def _changed_thread(event: Mapping[str, Any]) -> str | None:
    """Return the thread of a changed message; "" if it may be any, None if it is in none."""
    before, after = event.get("previous_message") or {}, event.get("message") or {}
    thread_ts = before.get("thread_ts") or after.get("thread_ts")
    if thread_ts:
        return str(thread_ts)
    return None if before else ""


def _said(message: Mapping[str, Any]) -> tuple[object, ...]:
    """Return what a person changes with an edit. A pasted table is not in the text."""
    text = message.get("text")
    blocks = [each for each in objects(message, "blocks") if is_pasted(each) or not text]
    attached = [each for each in objects(message, "attachments") if is_pasted_table(each)]
    return text, blocks, attached


def _files(message: Mapping[str, Any]) -> frozenset[str]:
    """Return the ids of the message's files, without those that were deleted."""
    files = message.get("files") or ()
    return frozenset(str(each.get("id")) for each in files if each.get("mode") != "tombstone")
