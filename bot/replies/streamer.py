"""Put an agent's answer in place of what was shown of it while the agent worked."""

import logging
from collections.abc import Sequence
from types import TracebackType

from bot.agents.types import ToolUse
from bot.replies.delivery import ReplyDelivery
from bot.replies.live import LiveUpdates
from bot.replies.live_messages import LiveMessage, StreamedMessage
from bot.replies.messages import Message
from bot.replies.unfinished import UnfinishedReplies
from bot.slack.errors import SLACK_ERRORS, ThreadGone, error_code, is_refusal, may_have_worked
from bot.slack.types import Place
from storage.coordination.unfinished_replies import UnfinishedReply

logger = logging.getLogger("tracebot.live")


class ReplyStreamer:
    """Begin one agent's reply with its *updates*, and finish it. Use it as a context manager.

    `unfinished` knows the reply as `reply` until it is final.
    """

    def __init__(
        self,
        updates: LiveUpdates,
        delivery: ReplyDelivery,
        *,
        place: Place,
        unfinished: UnfinishedReplies,
        reply: UnfinishedReply,
    ) -> None:
        self.updates = updates
        # While Slack is unwell the answer is kept for the next process, in case that this one dies.
        self._delivery = delivery.announcing(self._note_failure)
        self._place = place
        self._unfinished = unfinished
        self._reply = reply
        self._has_ended = False
        self._message: LiveMessage | None = None
        self._may_change = self._is_in_thread = False
        self._is_open = False
        """A stream of ours may still be open: it is ended before it is replaced."""
        self._is_final = False
        self._posted: list[str] = []
        self._ending: list[Message] = []

    def __enter__(self) -> "ReplyStreamer":
        self.updates.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        self._end_updates()
        if self._unfinished.is_lost(self._reply):
            return  # Another process shows how it ended.
        self._close()
        self.updates.end_session()
        if self._is_final:
            self._unfinished.done(self._reply.id)
        else:
            self._keep()
            self._unfinished.leave(self._reply.id)

    def _note_failure(self, error: Exception) -> None:
        self._keep()
        if may_have_worked(error):
            self._unfinished.watch(self._reply)

    def _keep(self) -> None:
        if self._ending:
            self._unfinished.keep(self._reply.id, self._ending)

    def give_up(self) -> None:
        """Count the reply as final although Slack does not take it, unless a message shows it."""
        self._is_final = not self._posted

    @property
    def tools(self) -> tuple[ToolUse, ...]:
        """Return the tools that the agent used, as they may be shown."""
        return self.updates.draft.read().tools

    def hold(self, messages: Sequence[Message]) -> None:
        """Let the next process post *messages* if this one dies before `finish` has begun."""
        self._unfinished.keep(self._reply.id, messages)

    def finish(self, messages: list[Message], *, failed: bool = False) -> list[str]:
        """Put *messages* in place of the draft and below it; return their `ts`.

        With *failed* there is no answer, only why. Raises one of `SLACK_ERRORS`. Afterwards it may
        be called with other messages, which take the place of those that were posted.
        """
        self._end_updates()
        self._unfinished.require(self._reply)
        if self.updates.gone is not None:
            raise self.updates.gone
        if self._posted and not self._is_in_thread:
            self.take_back()
        # Of several forms that Slack refuses the first is the best one, also later.
        self._ending = self._ending or messages
        self._keep()  # If this process dies before all of them are posted, the next one goes on.
        self._unfinished.wait_until_stored(self._reply.id)
        if not failed and self._end_stream(messages):
            self._is_final = True
            return self._posted
        self._close()
        for number, message in enumerate(messages):
            # The first one takes the place of the live reply, so that it keeps its link.
            if number < len(self._posted):
                self._posted[number] = self._replace(self._posted[number], message)
            else:
                self._posted.append(self._post(message))
        for ts in self._posted[len(messages) :]:
            self.updates.delete(ts)
        del self._posted[len(messages) :]
        self._is_final = True
        return self._posted

    def attach(self, name: str, text: str) -> None:
        """Upload a text as a file in the thread. Raises one of `SLACK_ERRORS`."""
        if not self._is_in_thread:  # Slack would show the file in the channel.
            self.take_back()
        self._delivery.attach(self._place, name, text)
        self._ending = []  # The answer is there: only the message about it may be missing.

    def take_back(self) -> None:
        """Delete what was posted if the thread is gone. Raises `ThreadGone`."""
        self._end_updates()
        try:
            self._delivery.need_thread(self._place)
        except ThreadGone:
            self._close()
            for ts in self._posted:
                self.updates.delete(ts)
            self._is_final = True
            raise
        except SLACK_ERRORS as error:
            logger.info("Slack does not tell if %s is a thread: %s", self._place, error_code(error))
        self._is_in_thread = True

    def _end_updates(self) -> None:
        """Take over the message from the updates; the second call is free."""
        if self._has_ended:
            return
        self._has_ended = True
        self.updates.end()
        self._message = self.updates.message
        self._may_change = self.updates.may_change
        self._is_in_thread = self.updates.is_in_thread
        if self._message is not None:
            self._posted = [self._message.ts]
            self._is_open = True

    def _end_stream(self, messages: list[Message]) -> bool:
        """End an open stream with the answer; return False if the answer has to replace it."""
        message = self._message
        if not self._is_open or not isinstance(message, StreamedMessage) or len(messages) != 1:
            return False
        ending = message.ending(messages[0], self.updates.draft.read())
        if ending is None:
            return False
        try:
            self._delivery.end_stream(self._place, message.ts, ending)
        except SLACK_ERRORS as error:
            if not is_refusal(error):
                raise
            # Replacing it with the same answer does no harm if it has ended with that already.
            logger.info("A stream is not ended with its answer: %s", error_code(error))
            return False
        self._is_open = False
        return True

    def _close(self) -> None:
        """End a stream before it is replaced; the second call is free."""
        if self._is_open and self._message is not None:
            self._is_open = False
            self.updates.close(self._message)

    def _replace(self, ts: str, message: Message) -> str:
        # A late edit would put the draft in place of the answer. A deleted message stays so.
        if not self._may_change:
            try:
                return self._delivery.update(self._place, ts, message)
            except SLACK_ERRORS as error:
                logger.warning("A live reply cannot be replaced: %s", error_code(error))
        # Posted before the other is deleted: two replies for a moment are better than none.
        posted = self._post(message)
        self._may_change = False
        self.updates.delete(ts)
        return posted

    def _post(self, message: Message) -> str:
        try:
            ts = self._delivery.post(self._place, message)
        except ThreadGone as error:
            if error.left is not None:
                self._unfinished.leave_message(self._reply, error.left)
            raise
        self._is_in_thread = True
        return ts
