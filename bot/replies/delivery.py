"""Post in a thread: insisted on while Slack is unwell, and once though a call may be lost.

A `chat.postMessage` whose answer does not arrive may have been heard all the same. Before it is
sent again the thread is searched for it, by the metadata that every reply carries.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.replies.messages import Message
from bot.slack.errors import SLACK_ERRORS, retry_after
from bot.slack.types import Place

PATIENCE_S = 120.0
"""How long an answer that is there already is worth waiting for Slack."""

LONGEST_WAIT_S = 8.0


class ReplyDelivery:
    """`client` is one that tries each call once, but for what cannot have been heard."""

    def __init__(
        self,
        client: WebClient,
        *,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._client = client
        self._patience_s = patience_s
        self._closing = threading.Event()

    def close(self) -> None:
        """Insist no longer."""
        self._closing.set()

    def post(self, place: Place, message: Message) -> str:
        """The new message's `ts`. Raises one of `SLACK_ERRORS` where Slack will not have it."""

        def send() -> str:
            answer = self._client.chat_postMessage(
                channel=place.channel, thread_ts=place.thread_ts, **message
            )
            return str(answer["ts"])

        return self._insist(send, heard=lambda: self._find(place, message))

    def update(self, place: Place, ts: str, message: Message) -> str:
        """Put `message` in the place of one of ours. Raises as `post` does."""
        known = {key: message[key] for key in ("text", "blocks", "metadata") if key in message}

        def send() -> str:
            return str(self._client.chat_update(channel=place.channel, ts=ts, **known)["ts"])

        return self._insist(send, heard=lambda: None)

    def delete(self, place: Place, ts: str) -> None:
        self._client.chat_delete(channel=place.channel, ts=ts)

    def _insist(self, send: Callable[[], str], *, heard: Callable[[], str | None]) -> str:
        deadline = time.monotonic() + self._patience_s
        wait = 0.5
        while True:
            try:
                return send()
            except SLACK_ERRORS as error:
                limited = retry_after(error)
                if limited is None and not _in_doubt(error):
                    raise
                pause = wait if limited is None else limited
                if time.monotonic() + pause > deadline or self._closing.wait(pause):
                    raise
            wait = min(2 * wait, LONGEST_WAIT_S)
            if limited is None and (ts := heard()) is not None:
                return ts

    def _find(self, place: Place, message: Message) -> str | None:
        """The `ts` of a message in the thread with the same metadata."""
        wanted = message.get("metadata")
        if wanted is None:
            return None
        try:
            # The newest: replies come oldest first, and this one is no older than the question.
            page = self._client.conversations_replies(
                channel=place.channel,
                ts=place.thread_ts,
                oldest=f"{time.time() - 2 * self._patience_s:.6f}",
                include_all_metadata=True,
                limit=200,
            )
        except SLACK_ERRORS:
            return None
        found: list[dict[str, Any]] = page["messages"]
        return next((str(m["ts"]) for m in found if m.get("metadata") == wanted), None)


def _in_doubt(error: Exception) -> bool:
    """Whether Slack did not say what became of the call."""
    return not isinstance(error, SlackApiError) or error.response.status_code >= 500
