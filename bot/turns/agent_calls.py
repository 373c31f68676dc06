"""Ask the agents of a turn side by side, with what they may read of its thread."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

from bot.agents.cancellation import Cancellation
from bot.agents.types import Agent, HistoryMessage, ThreadState
from bot.concurrency.fence import Fence
from bot.replies.final_reply import TurnFailure
from bot.replies.messages import too_many_message
from bot.replies.notices import Notices
from bot.replies.responder import AgentInput, Responder
from bot.slack.attachments import FetchResult, FileDownloads
from bot.slack.conversation.conversation import ConversationReader, Message
from bot.slack.threads import ThreadRead, fingerprint, quoted_authors
from bot.slack.types import IncomingMessage
from bot.turns.agent_mentions import missed_message
from bot.turns.decider import Verdict
from storage import ActiveSpan, Observability
from storage.model.erasure import HEARD
from storage.model.semconv import READ_THREAD

MOST_AGENTS = 5
"""How many agents one message can ask side by side."""

UNREADABLE = HistoryMessage(
    author="",
    text="[The earlier messages of this conversation are missing here: Slack did not show them.]",
)
"""Stands for a thread that cannot be read: an agent must not answer as if there were none."""


class AgentCalls:
    """Give the agents of a turn what they need, ask them, and tell of what failed."""

    def __init__(
        self,
        *,
        responder: Responder,
        notices: Notices,
        downloads: FileDownloads,
        reader: ConversationReader,
        fence: Fence,
        bot_id: str,
        observability: Observability,
    ) -> None:
        self._responder = responder
        self._notices = notices
        self._downloads = downloads
        self._reader = reader
        self._fence = fence
        self._bot_id = bot_id
        self._observability = observability

    def ask(
        self, prompt: str, verdict: Verdict, root: ActiveSpan, cancellation: Cancellation
    ) -> list[TurnFailure]:
        """Ask the agents side by side; users see what failed, and the trace records one failure."""
        message, agents = verdict.message, verdict.asked.agents
        given = self._given(prompt, verdict, root)
        asked, left_out = agents[:MOST_AGENTS], agents[MOST_AGENTS:]
        if left_out:
            names = [agent.name for agent in left_out]
            self._notices.say(message, too_many_message(names, most=MOST_AGENTS))
        if misses := verdict.asked.misses:
            names = [agent.name for agent in asked]
            self._notices.say(message, missed_message(misses, names))
        # From now on each reply is known by itself, and nobody else asks an agent again.
        self._fence.require(root.trace_id)
        replies = {a.name: self._responder.begin(a, message, root) for a in asked}
        failures = _side_by_side(
            lambda agent: self._responder.respond(
                agent, given, root, cancellation, replies[agent.name]
            ),
            asked,
        )
        self._notices.tell_unposted(message, failures, trace_id=root.trace_id)
        # A stop is what somebody wanted: it says more about the turn than what failed beside it.
        for failure in sorted(failures, key=lambda failure: failure.status != "cancelled")[:1]:
            root.fail(failure.error_type, failure.message, status=failure.status)
        return failures

    def _given(self, prompt: str, verdict: Verdict, root: ActiveSpan) -> AgentInput:
        """Return what the agents are given: the question, its thread and its files."""
        message = verdict.message
        earlier = verdict.thread.earlier(before=message.ts) if verdict.thread else ()
        self._record_quoted(message)
        return AgentInput(
            message=message,
            author=self._reader.author(message),
            prompt=prompt,
            history=self._history(verdict.thread, earlier, prompt),
            thread=self._state(message, earlier),
            fetched=self._fetch(self._reader.files(message, earlier), root),
        )

    def _record_quoted(self, message: IncomingMessage) -> None:
        """Record whose messages are forwarded: they may ask to be forgotten, as in a thread."""
        if authors := quoted_authors(message.attachments):
            with self._observability.span(READ_THREAD) as span:
                span.set(messages=len(authors), **{HEARD: sorted(authors)})

    def _history(
        self, thread: ThreadRead | None, earlier: Sequence[Message], question: str
    ) -> tuple[HistoryMessage, ...]:
        if thread is not None and thread.messages is None:
            return (UNREADABLE,)
        if not earlier:
            return ()
        with self._observability.span("read conversation", messages=len(earlier)) as span:
            history = self._reader.history(earlier, question=question)
            span.set(left_out=history.left_out)
        return history.messages

    def _state(self, message: IncomingMessage, earlier: Sequence[Message]) -> ThreadState:
        known = (*earlier, {"ts": message.ts, **message.content})
        return ThreadState(
            team=message.team,
            fingerprint=lambda until: fingerprint(known, bot_id=self._bot_id, until=until),
        )

    def _fetch(self, files: Sequence[Message], root: ActiveSpan) -> FetchResult:
        if not files:
            return FetchResult()
        with self._observability.span("fetch files", files=len(files)) as span:
            result = self._downloads.fetch(files, trace_id=root.trace_id)
            span.set(fetched=len(result.files), refused=len(result.refused))
        return result


def _side_by_side(
    ask: Callable[[Agent], TurnFailure | None], agents: Sequence[Agent]
) -> list[TurnFailure]:
    """Ask the first agent on this thread, and each other one on its own thread."""
    first, *others = agents
    with ThreadPoolExecutor(max(len(others), 1), thread_name_prefix="tracebot-agent") as threads:
        # Each thread starts in a copy of our context, so that its spans get this turn's parent.
        asked = [threads.submit(copy_context().run, ask, agent) for agent in others]
        failures = [ask(first), *(each.result() for each in asked)]
    return [failure for failure in failures if failure is not None]
