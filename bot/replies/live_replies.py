"""Let the replies that are shown at the same time share a rate limit and their sessions."""

import logging
import threading
from collections import Counter

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.slack.errors import SLACK_ERRORS, error_code, is_refusal, may_have_worked
from bot.slack.types import Place

PACE_S = 1.0
"""Seconds between two updates of a reply, if Slack's limit allows it."""

CALLS_A_SECOND = 1.4
"""By all live replies together: `chat.appendStream` allows about 100 calls a minute (tier 4)."""

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
        session, unless Slack has one already. Raises one of `SLACK_ERRORS` if Slack may have marked
        the thread without saying so, or does so later; the reply is counted all the same.
        """
        thread = (place.channel, place.thread_ts)
        with self._lock:
            self._shown[thread] += 1
        try:
            stoppable = self._begin_session(place, title)
        except SLACK_ERRORS as error:
            logger.info("The session in %s is not set to processing: %s", place, error_code(error))
            if not may_have_worked(error):
                return False  # An app that is not an agent has no sessions.
            self._note_processing(thread)
            raise
        self._note_processing(thread)
        return stoppable

    def _note_processing(self, thread: tuple[str, str]) -> None:
        with self._lock:
            self._processing.add(thread)

    def remove(self, place: Place) -> bool:
        """Stop counting a reply; the thread's last one marks the thread as done.

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
            if not is_refusal(error):
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
