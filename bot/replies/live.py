"""The reply of an agent that is still at work: shown as it grows, with a button that stops it.

Nothing here can cost an answer: what Slack refuses is shown in another way, or not at all, and the
end of the turn puts the whole answer in the place of whatever stands there by then.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from slack_sdk import WebClient

from bot.agents.types import Progress
from bot.replies.delivery import ReplyDelivery
from bot.replies.live_messages import Draft, Edited, Heading, Shown, Streamed
from bot.replies.messages import Message
from bot.slack.errors import GONE, SLACK_ERRORS, error_code, retry_after
from bot.slack.types import Place

QUICK_S = 1.5
"""An answer that is there by then is simply posted."""

PACE_S = 1.0
CALLS_A_SECOND = 1.4
"""Of all running replies together: `chat.appendStream` takes about 100 calls a minute."""

logger = logging.getLogger("tracebot.live")


class LiveReply:
    """One agent's reply. A thread of its own shows it, so that its agent never waits for Slack.

    `gone` hears Slack's word when nobody can be answered there any more.
    """

    def __init__(
        self,
        live: "LiveReplies",
        place: Place,
        heading: Heading,
        *,
        gone: Callable[[str], object],
    ) -> None:
        self._live = live
        self._place = place
        self._heading = heading
        self._gone = gone
        self._began = time.monotonic()
        self._text: list[str] = []
        self._tools: list[str] = []
        self._restarts = 0
        self._parted = False
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._shown: Shown | None = None
        self._standing: list[str] = []
        self.pieces = 0
        """How many times something more was shown."""
        self.first_piece_ns: int | None = None
        """From the agent's start until its first words stood in Slack."""
        self._thread = threading.Thread(target=self._run, name="tracebot-live", daemon=True)
        self._thread.start()

    def heard(self, progress: Progress) -> None:
        """Take what the agent says, on its own thread; never waits."""
        with self._lock:
            if progress.restart:
                self._text, self._tools, self._parted = [], [], False
                self._restarts += 1
            if progress.tool:
                self._tools.append(progress.tool)
                self._parted = bool(self._text)
            if progress.text:
                self._text += ["\n\n", progress.text] if self._parted else [progress.text]
                self._parted = False

    @property
    def draft(self) -> Draft:
        with self._lock:
            return Draft("".join(self._text), tuple(self._tools), self._restarts)

    def finish(self, messages: list[Message]) -> list[str]:
        """Put `messages` where the draft stood, and below; their `ts`.

        Raises one of `SLACK_ERRORS`; after that others may be tried, in the place of those that
        were posted.
        """
        self._stop()
        for number, message in enumerate(messages):
            if number < len(self._standing):
                self._standing[number] = self._replace(self._standing[number], message)
            else:
                self._standing.append(self._live.posting.post(self._place, message))
        return self._standing

    def close(self) -> None:
        """It is over, whether or not it could be finished."""
        self._stop()
        if self._shown is not None:
            self._live.ended(self._place)

    def _stop(self) -> None:
        if self._over.is_set():
            return
        self._over.set()
        self._thread.join()
        if self._shown is not None:
            with suppress(*SLACK_ERRORS):
                self._shown.close()
            self._standing = [self._shown.ts]

    def _replace(self, ts: str, message: Message) -> str:
        posting = self._live.posting
        try:
            return posting.update(self._place, ts, message)
        except SLACK_ERRORS as error:
            logger.warning("A running reply cannot be replaced: %s", error_code(error))
        posted = posting.post(self._place, message)
        with suppress(*SLACK_ERRORS):
            posting.delete(self._place, ts)
        return posted

    def _run(self) -> None:
        wait: float | None = QUICK_S
        while wait is not None and not self._over.wait(wait):
            wait = self._step()

    def _step(self) -> float | None:
        """Show what there is; seconds until the next time, None where there is none."""
        try:
            self._show(self.draft)
            return self._live.pace_s
        except SLACK_ERRORS as error:
            if (pause := retry_after(error)) is not None:
                return pause
            code = error_code(error)
            logger.info("A running reply is not shown: %s", code)
            if code in GONE:
                self._gone(code)
                return None
        if not isinstance(self._shown, Streamed):
            return None
        self._edit_from_now(self._shown)
        return self._live.pace_s

    def _show(self, draft: Draft) -> None:
        if self._shown is None:
            self._shown = self._live.begin(self._place, self._heading)
        if not self._shown.can_show(draft):
            self._edit_from_now(self._shown)
        self._shown.show(draft)
        if draft.text or draft.tools:
            self.pieces += 1
        if draft.text and self.first_piece_ns is None:
            self.first_piece_ns = int((time.monotonic() - self._began) * 1e9)

    def _edit_from_now(self, shown: Shown) -> None:
        with suppress(*SLACK_ERRORS):
            shown.close()
        self._shown = self._live.edit(self._place, self._heading, shown.ts)


class LiveReplies:
    """Opens them, and shares Slack's limits out among those that are shown.

    `client` tries each call once and does not wait for Slack: the next piece says the same.
    """

    def __init__(self, client: WebClient, posting: ReplyDelivery) -> None:
        self.posting = posting
        self._client = client
        self._in_thread: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def open(
        self, place: Place, *, agent: str, trace_id: str, gone: Callable[[str], object]
    ) -> LiveReply:
        return LiveReply(self, place, Heading(agent, trace_id), gone=gone)

    @property
    def pace_s(self) -> float:
        """Seconds between two pieces of one reply."""
        with self._lock:
            return max(PACE_S, self._in_thread.total() / CALLS_A_SECOND)

    def begin(self, place: Place, heading: Heading) -> Shown:
        """Something to show drafts in. Raises one of `SLACK_ERRORS` where there is nothing."""
        shown: Shown
        try:
            shown = Streamed(self._client, place, heading)
        except SLACK_ERRORS as error:
            if retry_after(error) is not None or error_code(error) in GONE:
                raise
            logger.info("Slack does not stream this reply: %s", error_code(error))
            shown = Edited(self._client, place, heading)
        with self._lock:
            self._in_thread[place.channel, place.thread_ts] += 1
        self._set_session(place, "processing")
        return shown

    def edit(self, place: Place, heading: Heading, ts: str) -> Shown:
        return Edited(self._client, place, heading, ts=ts)

    def ended(self, place: Place) -> None:
        thread = (place.channel, place.thread_ts)
        with self._lock:
            self._in_thread[thread] -= 1
            last = not self._in_thread[thread]
            if last:
                del self._in_thread[thread]
        if last:
            self._set_session(place, "active")

    def _set_session(self, place: Place, status: str) -> None:
        """While a session is `processing`, Slack shows a Stop button of its own."""
        try:
            self._client.agents_sessions_setStatus(
                channel_id=place.channel, thread_ts=place.thread_ts, status=status
            )
        except SLACK_ERRORS as error:
            logger.info("Slack does not show that a session is %s: %s", status, error_code(error))
