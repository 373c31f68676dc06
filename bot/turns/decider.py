"""What a decision needs to know, asked of Slack where it must be; the decision itself is pure."""

import logging
from dataclasses import replace

from bot.slack.directory import Directory, channel_type
from bot.slack.errors import SLACK_ERRORS
from bot.slack.threads import ThreadRead, ThreadReader
from bot.slack.types import IncomingMessage, Thread
from bot.turns.decision import BotIdentity, Decision, Reason, decide, settled
from storage import ActiveSpan, Observability

logger = logging.getLogger("tracebot.deciding")


class Decider:
    """Decides on messages, and reads their threads."""

    def __init__(
        self,
        *,
        me: BotIdentity,
        directory: Directory,
        threads: ThreadReader,
        observability: Observability,
    ) -> None:
        self._me = me
        self._directory = directory
        self._threads = threads
        self._observability = observability

    def complete(self, message: IncomingMessage) -> IncomingMessage:
        """An `app_mention` does not say what kind of conversation it is from."""
        if message.channel_type is not None:
            return message
        try:
            kind = channel_type(self._directory.channel(message.channel))
        except SLACK_ERRORS as error:
            logger.warning("Slack does not say what %s is: %s", message.channel, error)
            return message
        return replace(message, channel_type=kind)

    def may_answer(self, message: IncomingMessage) -> bool:
        """Whether the message is one that may be answered, as far as it alone tells."""
        decision = settled(message, self._me, other_bots=self._bots_mentioned(message))
        return decision is None or decision.answer

    def decide(self, message: IncomingMessage, read: ThreadRead | None) -> Decision:
        """The decision, recorded with what it rests on."""
        thread = read.thread() if read else Thread()
        with self._observability.span("decide") as span:
            others = self._bots_mentioned(message)
            decision = decide(message, thread, self._me, other_bots=others)
            _record(span, decision, message, thread)
        return decision

    def leave(self, message: IncomingMessage) -> Decision:
        """Another process has taken the message."""
        decision = Decision(False, Reason.HANDLED_ELSEWHERE)
        with self._observability.span("decide") as span:
            _record(span, decision, message, Thread())
        return decision

    def read_where_needed(self, message: IncomingMessage) -> ThreadRead | None:
        """The thread, where the decision depends on it."""
        if settled(message, self._me, other_bots=self._bots_mentioned(message)) is not None:
            return None
        return self.read(message)

    def read(self, message: IncomingMessage) -> ThreadRead:
        with self._observability.span("read thread", kind="client") as span:
            read = self._threads.read(message.channel, message.root_ts)
            history = read.history(before=message.ts)
            span.set(
                messages=len(history),
                characters=sum(len(item.text) for item in history),
                cache="hit" if read.cached else "miss",
                thread_length=len(read.messages or ()),
            )
            if read.messages is None:
                span.fail("thread_unreadable", "Slack would not show the thread")
        return read

    def _bots_mentioned(self, message: IncomingMessage) -> frozenset[str]:
        return frozenset(
            user for user in message.mentions if user != self._me.user and self._is_bot(user)
        )

    def _is_bot(self, user: str) -> bool:
        try:
            return bool(self._directory.user(user).get("is_bot"))
        except SLACK_ERRORS:
            return False  # Silence is the worse fault of the two.


def _record(span: ActiveSpan, decision: Decision, message: IncomingMessage, thread: Thread) -> None:
    speaker = thread.active_speaker
    span.set(
        decision="answer" if decision.answer else "skip",
        reason=decision.reason.value,
        active_speaker=None if speaker is None else speaker.agent or speaker.bot_id,
        channel_type=message.channel_type,
        in_thread=message.in_thread,
    )
