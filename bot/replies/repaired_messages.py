"""Find and end, in Slack, the messages of a reply that nobody ended."""

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.replies.buttons import Attempt, failure_buttons
from bot.replies.live_messages import PROCESSING
from bot.replies.messages import RESTARTED, Message, end_of, reply_messages, running_id
from bot.replies.posted import interrupted, is_of, is_running, messages_since
from bot.replies.unfinished import UnfinishedReplies
from bot.slack.conversation.names import Ids
from bot.slack.conversation.own_words import own_words
from bot.slack.errors import (
    SLACK_ERRORS,
    error_code,
    in_doubt,
    is_gone,
    is_unanswered,
    retry_after,
)
from bot.slack.own_deletions import OwnDeletions
from reports.render.block_kit import escape, json_length
from storage.coordination.unfinished_replies import TURN, UnfinishedReply

SHOWN_LIMIT = 11_000
"""Of what a running reply showed, its plan included, as `json_length` counts: all of a stream. A
message has room for it and for the note below."""

MOVED = "(The reply is in another message of this thread.)"
"""Takes the place of a message that Slack does not let us delete."""

logger = logging.getLogger("tracebot.repair")


class RepairedMessages:
    """The messages of replies that nobody ended. `client` must not retry."""

    def __init__(
        self,
        client: WebClient,
        unfinished: UnfinishedReplies,
        *,
        bot_user: str,
        bot_id: str,
        deletions: OwnDeletions,
    ) -> None:
        self._client = client
        self._unfinished = unfinished
        self._bot_user = bot_user
        self._bot_id = bot_id
        self._deletions = deletions

    def read(self, reply: UnfinishedReply) -> list[Mapping[str, Any]] | None:
        """Return what was posted in the thread since the agent was asked; None if it is gone."""
        try:
            return list(
                messages_since(
                    reply, partial(self._client.conversations_replies, ts=reply.thread_ts)
                )
            )
        except SlackApiError as error:
            if error_code(error) == "thread_not_found":
                return None
            raise

    def running(self, thread: Sequence[Mapping[str, Any]], reply: UnfinishedReply) -> set[str]:
        """Return the messages that still show the reply as running."""
        id = running_id(reply.trace_id, reply.agent)
        here = {str(message["ts"]) for message in thread}
        found = {
            str(message["ts"])
            for message in thread
            if message.get("bot_id") == self._bot_id
            and any(is_running(block, id) for block in message.get("blocks") or ())
        }
        return found | ({reply.ts} & here if reply.ts else set())

    def outside(self, reply: UnfinishedReply) -> set[str]:
        """Return the messages of the reply that are in the channel."""
        channel = list(messages_since(reply, self._client.conversations_history))
        return self.running(channel, reply) | {
            str(message["ts"]) for message in channel if is_of(message, reply, bot_id=self._bot_id)
        }

    def post_missing(self, reply: UnfinishedReply, final: dict[str, str], stale: set[str]) -> None:
        """Add the parts of the end that are not in *final* yet.

        The first one takes the place of a *stale* message, so that it keeps its link.
        """
        old = None
        if stale and "1" not in final:
            old = reply.ts if reply.ts in stale else min(stale)
            stale.remove(old)
        # Before it is read: Slack does not promise to show the words of an open stream.
        in_place = old is not None and self._end_stream(reply, old)
        for number, message in enumerate(self._ending(reply, old), 1):
            if str(number) not in final:
                place = old if number == 1 else None
                final[str(number)] = self._put(reply, message, place, in_place=in_place)

    def delete(self, reply: UnfinishedReply, ts: str) -> None:
        """Delete a message of the reply, or say in it that the reply is elsewhere."""
        self._deletions.add(reply.channel, ts)
        try:
            self._client.chat_delete(channel=reply.channel, ts=ts)
        except SlackApiError as error:
            if error_code(error) == "message_not_found":
                return
            _raise_unless_refused(error)
            # Slack takes back no stream that is open.
            if error_code(error) == "cant_delete_message" and self._end_stream(reply, ts):
                self.delete(reply, ts)
                return
            # Some companies have to keep every message.
            self._client.chat_update(channel=reply.channel, ts=ts, text=MOVED, blocks=[])

    def _ending(self, reply: UnfinishedReply, running: str | None) -> Sequence[Message]:
        """Return the messages that end the reply: a note, if nobody knows how it ended.

        It stands below what the message *running* shows by now.
        """
        if reply.ending is not None:
            return reply.ending
        payload = {
            "agent": reply.agent,
            "trace_id": reply.trace_id,
            "bot_user_id": self._bot_user,
        }
        below = []
        if reply.agent != TURN:  # Of a turn that is given up nobody knows whom it would have asked.
            below = [failure_buttons(Attempt(reply.trace_id, reply.message_ts, reply.agent), ())]
        thread = self.read(reply) if running is not None else None
        shown = next((each for each in thread or () if each["ts"] == running), {})
        blocks = shown.get("blocks") or ()
        id = running_id(reply.trace_id, reply.agent)
        plans = [interrupted(block, id) for block in blocks if block["type"] == "plan"]
        used = [plan for plan in plans if plan["tasks"]]
        said = end_of(own_words(blocks, Ids()), SHOWN_LIMIT - json_length(used))
        first, *more = reply_messages(said, payload=payload, note=RESTARTED, below=below)
        return [{**first, "blocks": [*used, *first["blocks"]]}, *more]

    def _put(
        self, reply: UnfinishedReply, message: Message, old: str | None, *, in_place: bool
    ) -> str:
        """Put a message in place of *old*, or else below; return its `ts`."""
        try:
            if old is not None and in_place:
                known = {key: message[key] for key in ("text", "blocks", "metadata")}
                self._client.chat_update(channel=reply.channel, ts=old, **known)
                return old
        except SlackApiError as error:
            _raise_unless_refused(error)
        *better, plain = _forms(message, is_note=reply.ending is None)
        for form in better:
            try:
                return self._post(reply, form, old)
            except SlackApiError as error:
                _raise_unless_refused(error)
        return self._post(reply, plain, old)

    def _post(self, reply: UnfinishedReply, message: Message, old: str | None) -> str:
        posted = self._client.chat_postMessage(
            channel=reply.channel, thread_ts=reply.thread_ts, **message
        )
        unwanted = old if posted["message"].get("thread_ts") == reply.thread_ts else posted["ts"]
        if unwanted is not None:
            self.delete(reply, unwanted)
        return str(posted["ts"])

    def _end_stream(self, reply: UnfinishedReply, ts: str) -> bool:
        """Return False for a message that is not an open stream: it may still change.

        Slack may carry out an edit of it late, which would put the draft in place of the end.
        """
        try:
            self._client.chat_stopStream(channel=reply.channel, ts=ts, session_status=PROCESSING)
        except SLACK_ERRORS as error:
            logger.info("A running reply is not ended in its place: %s", error_code(error))
            if is_unanswered(error):
                self._unfinished.watch(reply)  # It may set the session to `processing` later.
            return False
        return True


def _raise_unless_refused(error: SlackApiError) -> None:
    """Raise an error that has nothing to do with the form of a message."""
    if retry_after(error) is not None or in_doubt(error) or is_gone(error_code(error)):
        raise error
    logger.info("Slack refuses the end of a reply in this form: %s", error_code(error))


def _forms(message: Message, *, is_note: bool) -> list[Message]:
    """Return a message and what may be posted if Slack refuses it, the best form first."""
    if is_note:  # It and its buttons matter more than the words above them.
        below = [each for each in message["blocks"] if each["type"] not in ("markdown", "plan")]
        return [message, {**message, "blocks": below}, {**message, "blocks": []}]
    # The text alone holds up to 40,000 characters.
    said = [block["text"] for block in message["blocks"] if block["type"] == "markdown"]
    text = "\n\n".join(map(escape, said)) or message["text"]
    return [message, {**message, "text": text, "blocks": []}]
