"""Show an agent's reply while the agent works: it grows, and has a button that stops the agent.

Nothing here can cost an answer. What Slack refuses is shown in another way, or not at all; at the
end of the turn the whole answer takes the place of whatever is shown by then.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from slack_sdk import WebClient

from bot.replies.delivery import ReplyDelivery, look_for_thread
from bot.replies.draft import Draft, GrowingDraft
from bot.replies.live_messages import EditedMessage, Heading, LiveMessage, StreamedMessage
from bot.replies.live_replies import LiveReplies
from bot.replies.text.presented import NameOf, presented, settled
from bot.replies.unfinished import UnfinishedReplies
from bot.slack.errors import (
    SLACK_ERRORS,
    ThreadGone,
    error_code,
    is_gone,
    is_refusal,
    is_unanswered,
    may_have_worked,
    retry_after,
)
from bot.slack.own_secrets import OwnSecrets
from bot.slack.types import Place
from reports.formatting import without_controls
from storage.coordination.unfinished_replies import UnfinishedReply

QUICK_S = 1.0
"""An answer that is complete by then is posted as an ordinary message."""

logger = logging.getLogger("tracebot.live")


class LiveUpdates:
    """Show the draft of one agent's reply as it grows, on a thread of its own.

    The agent never waits for Slack: its thread only adds to `draft`, whose lock is not held during
    a call. The message belongs to our own thread until `end` has returned, and to the caller
    afterwards, so it needs no lock.

    `client` must neither retry nor wait: the next update says the same, and more. `on_gone` is
    called with Slack's error code once nobody can be answered in this place any more. `title` is
    that of the thread's session.
    """

    def __init__(
        self,
        client: WebClient,
        delivery: ReplyDelivery,
        live: LiveReplies,
        *,
        place: Place,
        heading: Heading,
        title: str,
        secrets: OwnSecrets,
        name_of: NameOf,
        unfinished: UnfinishedReplies,
        reply: UnfinishedReply,
        on_gone: Callable[[str], object],
    ) -> None:
        self._client = client
        self._delivery = delivery
        self._live = live
        self._place = place
        self._heading = heading
        self._title = title
        self._secrets = secrets
        self._name_of = name_of
        self._unfinished = unfinished
        self._reply = reply
        self._on_gone = on_gone
        self._started_at = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tracebot-live", daemon=True)
        self._has_stop: bool | None = None
        """True if Slack shows its own Stop button, None as long as Slack was not asked for it."""
        self.draft = GrowingDraft(lambda text: secrets.removed(without_controls(text)))
        self.message: LiveMessage | None = None
        self.may_change = False
        """Slack may still carry out an edit to which no answer came."""
        self.is_in_thread = False
        """Slack has told that the message is in the thread, and not beside it in the channel."""
        self.gone: ThreadGone | None = None
        self.count = 0
        """How many times the reply was seen to grow."""
        self.first_ns: int | None = None
        """Nanoseconds from the agent's start until its first text was shown."""
        self.first_at: int | None = None
        """The time of that, in nanoseconds since the epoch."""

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Wait for our thread to end; the second call is free.

        Waiting costs at most the one call that is under way. Without it an update that is still on
        its way to Slack could overwrite the finished answer.
        """
        self._over.set()
        self._thread.join()

    def end_session(self) -> None:
        """Stop counting the reply as one at which an agent works."""
        if self._has_stop is not None and not self._live.remove(self._place):
            self._unfinished.watch(self._reply)

    def close(self, message: LiveMessage) -> None:
        """End a stream before its message is replaced. Slack may have ended it already."""
        try:
            message.close()
        except SLACK_ERRORS as error:
            # An end that Slack carries out late would set the session to `processing` once more.
            self._watch_after(error)

    def delete(self, ts: str) -> None:
        """Delete a message of the reply, or let the next repair do so."""
        try:
            self._delivery.delete(self._place, ts)
        except SLACK_ERRORS as error:
            if error_code(error) != "message_not_found":
                self._unfinished.leave_message(self._reply, ts)

    def _run(self) -> None:
        # `wait` rather than `sleep`: when the answer is complete this thread ends at once.
        wait: float | None = QUICK_S
        while wait is not None and not self._over.wait(wait):
            wait = self._update()

    def _update(self) -> float | None:
        """Show the draft; return the seconds until the next update, or None if there is none."""
        if self._unfinished.is_lost(self._reply):
            return None
        try:
            self._show(self._presentable(self.draft.read()))
            return self._live.pace_s
        except SLACK_ERRORS as error:
            # A rate limit says nothing against the stream: the next update carries on with it.
            if (pause := retry_after(error)) is not None:
                return pause
            code = error_code(error)
            logger.info("A live reply is not shown: %s", code)
            self.may_change = isinstance(self.message, EditedMessage) and is_unanswered(error)
            if is_gone(code):
                self._on_gone(code)
                return None
        # A stream may have been ended by Slack or by a user; an edited message has no other way.
        if not isinstance(self.message, StreamedMessage):
            return None
        self._edit_from_now_on(self.message)
        return self._live.pace_s

    def _presentable(self, draft: Draft) -> Draft:
        """Return a draft without secrets, as its reader is to see it."""
        # Of the whole draft, as a secret, a mention or an escape sequence may arrive in pieces: the
        # beginning of one is held back. Colours go first, which could hide a secret.
        text = self._secrets.settled(without_controls(settled(draft.text)))
        return replace(draft, text=presented(text, self._name_of))

    def _show(self, draft: Draft) -> None:
        if self.message is None:
            self.message = self._begin()
            # From now on a process that takes the reply over knows which message to end.
            self._unfinished.shown(self._reply.id, self.message.ts)
        if not self.is_in_thread:
            self._need_thread(self.message)
        # Text that was streamed cannot be taken back: an edited message shows what replaces it.
        if not self.message.can_show(draft):
            self._edit_from_now_on(self.message)
        self.message.show(draft)
        if draft.text or draft.tools:
            self.count += 1
        if draft.text and self.first_ns is None:
            self.first_ns = int((time.monotonic() - self._started_at) * 1e9)
            self.first_at = time.time_ns()

    def _begin(self) -> LiveMessage:
        """Return a new message. Raises one of `SLACK_ERRORS` if Slack takes none."""
        if self._has_stop is None:
            self._has_stop = self._begin_session()
        try:
            # Without Slack's Stop button the message needs one, which a stream would not lose.
            if self._has_stop:
                return StreamedMessage(self._client, self._place, self._heading)
        except SLACK_ERRORS as error:
            if retry_after(error) is not None or is_gone(error_code(error)):
                raise
            self._watch_after(error)
            logger.info("Slack does not stream this reply: %s", error_code(error))
        try:
            return EditedMessage(self._client, self._place, self._heading)
        except SLACK_ERRORS as error:
            self._watch_after(error)
            raise

    def _begin_session(self) -> bool:
        """Mark the thread as working; return True if Slack shows its own Stop button there."""
        try:
            return self._live.add(self._place, self._title)
        except SLACK_ERRORS as error:
            self._watch_after(error)
            return False

    def _watch_after(self, error: Exception) -> None:
        """Let repairs look for what Slack may have done without saying so, or does late."""
        if may_have_worked(error):
            self._unfinished.watch(self._reply)

    def _need_thread(self, message: LiveMessage) -> None:
        """Take the message back if Slack put it in the channel. Raises `ThreadGone`.

        A stream does not tell where it begins, and a question may be deleted at any time. Once the
        thread has a reply it stays, even if its first message is deleted.
        """
        try:
            look_for_thread(self._client, self._place)
        except ThreadGone as error:
            self.gone, self.message = error, None
            self.close(message)
            self.delete(message.ts)
            raise
        except SLACK_ERRORS as error:
            # It is asked for again with the next update, unless Slack never tells.
            self.is_in_thread = is_refusal(error)
        else:
            self.is_in_thread = True

    def _edit_from_now_on(self, message: LiveMessage) -> None:
        self.close(message)
        self.message = EditedMessage(self._client, self._place, self._heading, ts=message.ts)
