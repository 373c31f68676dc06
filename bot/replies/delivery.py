"""Post in a thread: retried while Slack is unwell, and once only although an answer may be lost.

If Slack's answer to a `chat.postMessage` does not arrive, the message may have been posted all the
same. Before it is sent again the thread is searched for the metadata that every reply carries.
"""

import copy
import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.replies.messages import Message
from bot.retry import RetryPolicy, TryAgain
from bot.slack.errors import (
    SLACK_ERRORS,
    SlackUnwell,
    ThreadGone,
    error_code,
    in_doubt,
    may_have_worked,
    retry_after,
)
from bot.slack.own_deletions import OwnDeletions
from bot.slack.types import Place
from reports.render.block_kit import Block

PATIENCE_S = 120.0
"""How long a finished answer is retried. An agent may have worked on it for many minutes."""

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 8.0

logger = logging.getLogger("tracebot.delivery")


class ReplyDelivery:
    """Post, update and delete replies. `client` must not retry: we retry what is safe to repeat."""

    def __init__(
        self,
        client: WebClient,
        *,
        bot_id: str,
        deletions: OwnDeletions | None = None,
        require_turn: Callable[[], object] = lambda: None,
    ) -> None:
        """`require_turn` raises an error, before and after a call, if that must not be made."""
        self._client = client
        self._require_turn = require_turn
        self._deletions = deletions or OwnDeletions()
        self._bot_id = bot_id
        self._closing = threading.Event()
        self._on_failure: Callable[[Exception], object] = lambda error: None
        self._policy = RetryPolicy(
            attempts=None, first_wait_s=FIRST_WAIT_S, longest_wait_s=LONGEST_WAIT_S
        )

    def close(self) -> None:
        """Begin no call and retry none any more: those that wait raise their last error."""
        self._closing.set()

    def _require(self) -> None:
        """Raise an error if nothing may be posted now."""
        self._require_turn()
        # Of what a turn kept that outlives its cancellation, other processes post the rest.
        if self._closing.is_set():
            raise SlackUnwell("The bot has ended", status=503)

    def announcing(self, on_failure: Callable[[Exception], object]) -> "ReplyDelivery":
        """Return the same, with a function that gets each error after which it tries again."""
        other = copy.copy(self)
        other._on_failure = on_failure
        return other

    def post(self, place: Place, message: Message) -> str:
        """Post a new message and return its `ts`. Raises one of `SLACK_ERRORS`."""

        def send() -> str:
            answer = self._client.chat_postMessage(
                channel=place.channel, thread_ts=place.thread_ts, **message
            )
            if answer["message"].get("thread_ts") != place.thread_ts:
                self._take_back(place, str(answer["ts"]))
            self._take_back_if_lost(place, str(answer["ts"]))
            return str(answer["ts"])

        return self._retry(send, find=lambda: self._find(place, message))

    def _take_back_if_lost(self, place: Place, ts: str) -> None:
        """Delete a reply if another process has taken over while it was posted."""
        try:
            self._require_turn()
        except Exception:
            with suppress(*SLACK_ERRORS):
                self.delete(place, ts)
            raise

    def _take_back(self, place: Place, ts: str) -> NoReturn:
        """Delete a reply that Slack posted in the channel, because its thread is gone."""

        def delete() -> str:
            self.delete(place, ts)
            return ts

        left = None
        try:
            self._retry(delete, find=lambda: None)
        except SLACK_ERRORS as error:
            # Not raised: the caller would post the reply once more, in the channel again.
            logger.warning("A reply stays in the channel, %s: %s", place, error_code(error))
            left = ts
        raise ThreadGone(f"{place} has no first message any more", left=left)

    def need_thread(self, place: Place) -> None:
        """Raise `ThreadGone` if the thread's first message was deleted.

        Raises another one of `SLACK_ERRORS` if Slack does not tell.
        """

        def look() -> str:
            look_for_thread(self._client, place)
            return place.thread_ts

        self._retry(look, find=lambda: None)

    def post_privately(
        self,
        channel: str,
        user: str,
        text: str,
        *,
        thread_ts: str | None,
        blocks: Sequence[Block] = (),
    ) -> None:
        """Post a sentence that only *user* sees. Raises one of `SLACK_ERRORS`.

        It is a direct message if Slack does not show it in the channel.
        """

        def send() -> str:
            answer = self._client.chat_postEphemeral(
                channel=channel,
                user=user,
                text=text,
                thread_ts=thread_ts,
                blocks=list(blocks) or None,
            )
            return str(answer["message_ts"])

        def send_directly() -> str:
            return str(self._client.chat_postMessage(channel=user, text=text)["ts"])

        try:
            # Nobody can search for an ephemeral message. One that is shown twice does no harm.
            self._retry(send, find=lambda: None)
        except SlackApiError as error:
            logger.info("A private message is sent directly: %s", error_code(error))
            self._retry(send_directly, find=lambda: None)

    def update(self, place: Place, ts: str, message: Message) -> str:
        """Replace one of our messages and return its `ts`. Raises one of `SLACK_ERRORS`."""
        known = {key: message[key] for key in ("text", "blocks", "metadata") if key in message}

        def send() -> str:
            return str(self._client.chat_update(channel=place.channel, ts=ts, **known)["ts"])

        # An update that is sent twice changes nothing, so there is nothing to search for.
        return self._retry(send, find=lambda: None)

    def end_stream(self, place: Place, ts: str, ending: Message) -> None:
        """End a stream with the last arguments of `chat.stopStream`. Raises one of `SLACK_ERRORS`.

        A refusal may also mean that an earlier call of ours, to which no answer came, has ended it.
        """

        def send() -> str:
            return str(self._client.chat_stopStream(channel=place.channel, ts=ts, **ending)["ts"])

        # Sent twice it is refused the second time, so there is nothing to search for.
        self._retry(send, find=lambda: None)

    def attach(self, place: Place, name: str, text: str) -> None:
        """Upload a text as a file in the thread. Raises one of `SLACK_ERRORS`.

        It is tried once: nobody can tell whether an upload without an answer was shared.
        """
        self._require()
        self._client.files_upload_v2(
            channel=place.channel, thread_ts=place.thread_ts, filename=name, content=text
        )

    def delete(self, place: Place, ts: str) -> None:
        """Delete one of our messages. Raises one of `SLACK_ERRORS`."""
        self._deletions.add(place.channel, ts)
        self._client.chat_delete(channel=place.channel, ts=ts)

    def _retry(self, send: Callable[[], str], *, find: Callable[[], str | None]) -> str:
        """Call *send* until it succeeds, or *find* shows that an earlier call did."""
        unclear = False

        def attempt() -> str:
            nonlocal unclear
            self._require()
            try:
                # Not sent again before it is known that it was not posted: once and late is better.
                if unclear and (ts := find()) is not None:
                    return ts
                return send()
            except SLACK_ERRORS as error:
                asked = retry_after(error)
                if asked is None and not in_doubt(error):
                    raise
                unclear = unclear or may_have_worked(error)
                self._on_failure(error)
                raise TryAgain(error, wait_s=asked) from error

        return self._policy.call(attempt, patience_s=PATIENCE_S, sleep=self._closing.wait)

    def _find(self, place: Place, message: Message) -> str | None:
        """Return the `ts` of a message of ours in the thread with the same metadata."""
        wanted = message.get("metadata")
        if wanted is None:
            return None
        # Only the newest ones: Slack lists a thread from its oldest message, page by page.
        page = self._client.conversations_replies(
            channel=place.channel,
            ts=place.thread_ts,
            oldest=f"{time.time() - 2 * PATIENCE_S:.6f}",
            include_all_metadata=True,
            limit=200,
        )
        found: list[dict[str, Any]] = page["messages"]
        ours = [m for m in found if m.get("bot_id") == self._bot_id]
        return next((str(m["ts"]) for m in ours if m.get("metadata") == wanted), None)


def look_for_thread(client: WebClient, place: Place) -> None:
    """Raise `ThreadGone` if the thread's first message was deleted, or one of `SLACK_ERRORS`."""
    try:
        client.conversations_replies(channel=place.channel, ts=place.thread_ts, limit=1)
    except SlackApiError as error:
        if error_code(error) == "thread_not_found":
            raise ThreadGone(f"{place} has no first message any more") from error
        raise
