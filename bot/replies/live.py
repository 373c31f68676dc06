"""Show an agent's reply while the agent works: it grows, and has a button that stops the agent.

Nothing here can cost an answer. What Slack refuses is shown in another way, or not at all; at the
end of the turn the whole answer takes the place of whatever is shown by then.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from types import TracebackType

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.agents.types import Progress, ToolUse
from bot.replies.delivery import (
    ReplyDelivery,
    in_doubt,
    is_refusal,
    is_unanswered,
    look_for_thread,
)
from bot.replies.live_messages import Draft, EditedMessage, Heading, LiveMessage, StreamedMessage
from bot.replies.messages import Message
from bot.replies.text.presented import NameOf, presented, settled
from bot.replies.timeline import shown
from bot.replies.unfinished import UnfinishedReplies
from bot.slack.errors import SLACK_ERRORS, ThreadGone, error_code, is_gone, retry_after
from bot.slack.own_secrets import OwnSecrets
from bot.slack.types import Place
from reports.formatting import without_controls
from storage.coordination.unfinished_replies import UnfinishedReply

QUICK_S = 1.5
"""An answer that is complete by then is posted as an ordinary message."""

PACE_S = 1.0
"""Seconds between two updates of a reply, if Slack's limit allows it."""

CALLS_A_SECOND = 1.4
"""By all live replies together: `chat.appendStream` allows about 100 calls a minute (tier 4)."""

MOST_TOOLS = 1_000
"""Uses of tools that one reply shows: an agent may report a million of them."""

logger = logging.getLogger("tracebot.live")


class LiveReplies:
    """The replies that are shown now: they share Slack's rate limit and their threads' sessions."""

    def __init__(self, client: WebClient) -> None:
        self._client = client
        self._shown: Counter[tuple[str, str]] = Counter()
        self._processing: set[tuple[str, str]] = set()
        """The threads whose session shows that an agent works."""
        self._lock = threading.Lock()

    @property
    def pace_s(self) -> float:
        """Return the seconds between two updates of one reply."""
        with self._lock:
            return max(PACE_S, self._shown.total() / CALLS_A_SECOND)

    def add(self, place: Place, title: str) -> bool:
        """Count a reply that is shown in *place*, and mark its thread as working.

        Return True if Slack shows a Stop button of its own there. *title* is that of the thread's
        session, unless Slack has one already.
        """
        thread = (place.channel, place.thread_ts)
        with self._lock:
            self._shown[thread] += 1
        stoppable = False
        try:
            stoppable = self._begin_session(place, title)
        except SLACK_ERRORS as error:
            logger.info("The session in %s is not set to processing: %s", place, error_code(error))
            if retry_after(error) is None and not in_doubt(error):
                return False  # An app that is not an agent has no sessions.
        with self._lock:
            self._processing.add(thread)
        return stoppable

    def remove(self, place: Place) -> bool:
        """Count it no longer; the thread's last reply marks the thread as done.

        Return False if Slack does not take that, so that it has to be done again.
        """
        thread = (place.channel, place.thread_ts)
        with self._lock:
            self._shown[thread] -= 1
            last = not self._shown[thread]
            if last:
                del self._shown[thread]
            was_processing = last and thread in self._processing
            if was_processing:
                self._processing.discard(thread)
        # Outside the lock, which `pace_s` takes: no reply waits for another's call to Slack.
        try:
            if was_processing:
                self._set_session(place, "active")
        except SLACK_ERRORS as error:
            logger.info("The session in %s is not set to active: %s", place, error_code(error))
            return False
        return True

    def _begin_session(self, place: Place, title: str) -> bool:
        try:
            named = {"title": title} if title else {}
            return self._set_session(place, "processing", initiator_user_id=place.user, **named)
        except SlackApiError as error:
            if retry_after(error) is not None or in_doubt(error):
                raise
            # Slack refuses an initiator who is not in the channel. The session matters more.
            return self._set_session(place, "processing")

    def _set_session(self, place: Place, status: str, **more: str) -> bool:
        """Set the status of the thread's session; Slack shows Stop while it is `processing`.

        Return False if Slack warns that it would not tell us when somebody presses that.
        """
        answer = self._client.agents_sessions_setStatus(
            channel_id=place.channel, thread_ts=place.thread_ts, status=status, **more
        )
        return "agent_session_stopped" not in str(answer.get("warning"))


class GrowingDraft:
    """Collects what an agent reports, on its own thread; may be read from any thread.

    `clean` takes out of a tool's texts what nobody may see.
    """

    def __init__(self, clean: Callable[[str], str]) -> None:
        self._clean = clean
        # Pieces rather than one string: there may be thousands, and each would copy all before it.
        self._text: list[str] = []
        self._tools: dict[str, ToolUse] = {}
        self._restarts = 0
        self._tool_since_text = False
        self._lock = threading.Lock()

    def add(self, progress: Progress) -> None:
        """Add a report. Text after a tool begins a paragraph."""
        tool = None if progress.tool is None else shown(progress.tool, self._clean)
        with self._lock:
            if progress.restart:
                self._text, self._tools, self._tool_since_text = [], {}, False
                self._restarts += 1
            if tool is not None:
                self._add_tool(tool)
            if progress.text:
                gap = ["\n\n"] if self._tool_since_text else []
                self._text += [*gap, progress.text]
                self._tool_since_text = False

    def _add_tool(self, tool: ToolUse) -> None:
        known = self._tools.get(tool.id)
        if known is not None:
            known = replace(known, output=tool.output or known.output, status=tool.status)
            self._tools[tool.id] = known
        elif tool.title:
            # The newest one takes the place of the last if there are too many.
            if len(self._tools) == MOST_TOOLS:
                self._tools.popitem()
            self._tools[tool.id] = tool
            self._tool_since_text = bool(self._text)

    def read(self) -> Draft:
        """Return the draft as it is now."""
        with self._lock:
            return Draft("".join(self._text), tuple(self._tools.values()), self._restarts)


class ReplyStreamer:
    """Begin, update and finish one agent's reply. Use it as a context manager.

    Three threads meet here: the agent's thread reports its progress, our own thread shows it, and
    the turn's thread finishes the reply. The agent never waits for Slack: it only adds to `draft`,
    whose lock is not held during a call. The message itself belongs to our own thread until that
    has ended, and to the turn's thread afterwards, so it needs no lock.

    `client` must neither retry nor wait: the next update says the same, and more. `on_gone` is
    called with Slack's error code once nobody can be answered in this place any more. Until the
    reply is final, `unfinished` knows it as `reply`. `title` is that of the thread's session.
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
        # While Slack is unwell the answer is kept for the next process, in case that this one dies.
        self._delivery = delivery.announcing(self._note_failure)
        self._live = live
        self._unfinished = unfinished
        self._id = reply.id
        self._reply = reply
        self._ending: list[Message] = []
        self._is_final = False
        self._place = place
        self._heading = heading
        self._title = title
        self._secrets = secrets
        self._name_of = name_of
        self._on_gone = on_gone
        self._started_at = time.monotonic()
        self.draft = GrowingDraft(lambda text: secrets.removed(without_controls(text)))
        self._over = threading.Event()
        self._has_stop: bool | None = None
        """True if Slack shows its own Stop button, None as long as Slack was not asked for it."""
        self._message: LiveMessage | None = None
        self._is_open = False
        """A stream of ours may still be open: it is ended before it is replaced."""
        self._may_change = False
        """Slack may still carry out an edit to which no answer came."""
        self._is_in_thread = False
        """Slack has told that the message is in the thread, and not beside it in the channel."""
        self._gone: ThreadGone | None = None
        self._posted: list[str] = []
        self.updates = 0
        """How many times the reply was seen to grow."""
        self.first_update_ns: int | None = None
        """Nanoseconds from the agent's start until its first text was shown."""
        self._thread = threading.Thread(target=self._run, name="tracebot-live", daemon=True)

    def __enter__(self) -> "ReplyStreamer":
        self._unfinished.begin(self._reply)
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        self._end_updates()
        self._close()
        if self._has_stop is not None and not self._live.remove(self._place):
            self._unfinished.watch(self._reply)
        if self._is_final:
            self._unfinished.done(self._id)
        else:
            self._keep()
            self._unfinished.leave(self._id)

    def _note_failure(self, error: Exception) -> None:
        self._keep()
        self._note_doubt(error)

    def _keep(self) -> None:
        if self._ending:
            self._unfinished.keep(self._id, self._ending)

    def give_up(self) -> None:
        """Count the reply as final although Slack does not take it, unless a message shows it."""
        self._is_final = not self._posted

    @property
    def tools(self) -> tuple[ToolUse, ...]:
        """Return the tools that the agent used, as they may be shown."""
        return self.draft.read().tools

    def finish(self, messages: list[Message], *, failed: bool = False) -> list[str]:
        """Put *messages* in the place of the draft and below it; return their `ts`.

        With *failed* there is no answer, only why. Raises one of `SLACK_ERRORS`. Afterwards it may
        be called with other messages, which take the place of those that were posted.
        """
        self._end_updates()
        if self._gone is not None:
            raise self._gone
        if self._posted and not self._is_in_thread:
            self.take_back()
        # Of several forms that Slack refuses the first is the best one, also later.
        self._ending = self._ending or messages
        self._keep()  # If this process dies before all of them are posted, the next one goes on.
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
            self._delete(ts)
        del self._posted[len(messages) :]
        self._is_final = True
        return self._posted

    def attach(self, name: str, text: str) -> None:
        """Upload a text as a file in the thread. Raises one of `SLACK_ERRORS`."""
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
                self._delete(ts)
            self._is_final = True
            raise
        except SLACK_ERRORS as error:
            logger.info("Slack does not tell if %s is a thread: %s", self._place, error_code(error))
        self._is_in_thread = True

    def _end_updates(self) -> None:
        """Wait for our thread to end, and take over the message from it; the second call is free.

        Waiting costs at most the one call that is under way. Without it an update that is still on
        its way to Slack could overwrite the finished answer.
        """
        if self._over.is_set():
            return
        self._over.set()
        self._thread.join()
        if self._message is not None:
            self._posted = [self._message.ts]
            self._is_open = True

    def _end_stream(self, messages: list[Message]) -> bool:
        """End an open stream with the answer; return False if the answer has to replace it."""
        message = self._message
        if not self._is_open or not isinstance(message, StreamedMessage) or len(messages) != 1:
            return False
        ending = message.ending(messages[0], self.draft.read())
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
            with suppress(*SLACK_ERRORS):  # Slack may have ended it already.
                self._message.close()

    def _replace(self, ts: str, message: Message) -> str:
        # A late edit would put the draft in the place of the answer. A deleted message stays so.
        if not self._may_change:
            try:
                return self._delivery.update(self._place, ts, message)
            except SLACK_ERRORS as error:
                logger.warning("A live reply cannot be replaced: %s", error_code(error))
        # Posted before the other is deleted: two replies for a moment are better than none.
        posted = self._post(message)
        self._may_change = False
        self._delete(ts)
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

    def _delete(self, ts: str) -> None:
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
        try:
            self._show(self._presentable(self.draft.read()))
            return self._live.pace_s
        except SLACK_ERRORS as error:
            # A rate limit says nothing against the stream: the next update carries on with it.
            if (pause := retry_after(error)) is not None:
                return pause
            code = error_code(error)
            logger.info("A live reply is not shown: %s", code)
            self._may_change = isinstance(self._message, EditedMessage) and is_unanswered(error)
            if is_gone(code):
                self._on_gone(code)
                return None
        # A stream may have been ended by Slack or by a user; an edited message has no other way.
        if not isinstance(self._message, StreamedMessage):
            return None
        self._edit_from_now_on(self._message)
        return self._live.pace_s

    def _presentable(self, draft: Draft) -> Draft:
        """Return a draft without secrets, as its reader is to see it."""
        # Of the whole draft, as a secret, a mention or an escape sequence may arrive in pieces: the
        # beginning of one is held back. Colours go first, which could hide a secret.
        text = self._secrets.settled(without_controls(settled(draft.text)))
        return replace(draft, text=presented(text, self._name_of))

    def _show(self, draft: Draft) -> None:
        if self._message is None:
            self._message = self._begin()
            self._unfinished.shown(self._id, self._message.ts)
        if not self._is_in_thread:
            self._need_thread(self._message)
        # Text that was streamed cannot be taken back: an edited message shows what replaces it.
        if not self._message.can_show(draft):
            self._edit_from_now_on(self._message)
        self._message.show(draft)
        if draft.text or draft.tools:
            self.updates += 1
        if draft.text and self.first_update_ns is None:
            self.first_update_ns = int((time.monotonic() - self._started_at) * 1e9)

    def _begin(self) -> LiveMessage:
        """Return a new message. Raises one of `SLACK_ERRORS` if Slack takes none."""
        if self._has_stop is None:
            self._has_stop = self._live.add(self._place, self._title)
        try:
            # Without Slack's Stop button the message needs one, which a stream would not lose.
            if self._has_stop:
                return StreamedMessage(self._client, self._place, self._heading)
        except SLACK_ERRORS as error:
            if retry_after(error) is not None or is_gone(error_code(error)):
                raise
            self._note_doubt(error)
            logger.info("Slack does not stream this reply: %s", error_code(error))
        try:
            return EditedMessage(self._client, self._place, self._heading)
        except SLACK_ERRORS as error:
            self._note_doubt(error)
            raise

    def _need_thread(self, message: LiveMessage) -> None:
        """Take the message back if Slack put it in the channel. Raises `ThreadGone`.

        A stream does not tell where it begins, and a question may be deleted at any time. Once the
        thread has a reply it stays, even if its first message is deleted.
        """
        try:
            look_for_thread(self._client, self._place)
        except ThreadGone as error:
            self._gone, self._message = error, None
            with suppress(*SLACK_ERRORS):
                message.close()
            self._delete(message.ts)
            raise
        except SLACK_ERRORS as error:
            # It is asked for again with the next update, unless Slack never tells.
            self._is_in_thread = is_refusal(error)
        else:
            self._is_in_thread = True

    def _note_doubt(self, error: Exception) -> None:
        """Let repairs look for a message that Slack may have posted, or posts late."""
        if in_doubt(error) and retry_after(error) is None:
            self._unfinished.watch(self._reply)

    def _edit_from_now_on(self, message: LiveMessage) -> None:
        with suppress(*SLACK_ERRORS):
            message.close()
        self._message = EditedMessage(self._client, self._place, self._heading, ts=message.ts)
