"""One message's turn: decide, history, files, agents, replies, reactions. Each step is a span."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context

from bot.access import audience_of
from bot.agents.cancellation import SHUTDOWN, Cancellation
from bot.agents.config.roster import Roster
from bot.agents.types import Agent
from bot.concurrency.limiter import TurnLimiter
from bot.concurrency.running_turns import RunningTurn, RunningTurns
from bot.replies.messages import stopped_message, too_many_message, usage_message
from bot.replies.responder import Failure, Question, Responder
from bot.slack.attachments import FetchResult, FileDownloads
from bot.slack.reactions import DONE, FAILED, READ, STOPPED, WAITING, Reactions
from bot.slack.threads import ThreadRead
from bot.slack.types import IncomingMessage
from bot.turns.agent_mentions import addressed
from bot.turns.decider import Decider
from bot.turns.decision import BotIdentity, is_me
from storage import ActiveSpan, Observability
from storage.tracing.active_span import CurrentSpan

MOST_AGENTS = 5
"""As many as one message may ask side by side."""


class TurnHandler:
    """Answers messages. Nothing that goes wrong in recording or reacting stops an answer."""

    def __init__(
        self,
        *,
        me: BotIdentity,
        roster: Roster,
        deciding: Decider,
        answering: Responder,
        reactions: Reactions,
        downloads: FileDownloads,
        running: RunningTurns,
        limiter: TurnLimiter,
        observability: Observability,
    ) -> None:
        self._me = me
        self._roster = roster
        self._deciding = deciding
        self._answering = answering
        self._reactions = reactions
        self._downloads = downloads
        self._running = running
        self._limiter = limiter
        self._observability = observability
        self._told_to_wait: set[str] = set()
        self._stopping = threading.Event()

    def turn(self, message: IncomingMessage, root: ActiveSpan, *, claimed: bool) -> None:
        """Answer the message, or leave it, and end `root`."""
        with CurrentSpan(root):
            message = self._deciding.complete(message)
            root.set(audience=_audience(message))
            if claimed:
                read = self._deciding.read_where_needed(message)
                decision = self._deciding.decide(message, read)
            else:
                read, decision = None, self._deciding.leave(message)
            root.set(decision="answer" if decision.answer else "skip")
            self._end_wait(message)
            if decision.answer and self._stopping.is_set():
                self._send_away(message, root)
            elif decision.answer:
                self._answer(message, read, root)

    def tell_to_wait(self, message: IncomingMessage, root: ActiveSpan) -> None:
        """Show that the thread is busy, where the message is one that may be answered."""
        message = self._deciding.complete(message)
        if self._deciding.may_answer(message):
            with self._observability.span("wait", parent=root):
                self._told_to_wait.add(message.ts)
                self._reactions.add(message, WAITING)

    def stop(self) -> None:
        """Ask no more agents: whoever waits is told to ask again, for Slack sends nothing twice."""
        self._stopping.set()

    def _send_away(self, message: IncomingMessage, root: ActiveSpan) -> None:
        self._answering.say(message, stopped_message(SHUTDOWN))
        root.fail("cancelled", f"Stopped by {SHUTDOWN}.", status="cancelled")
        self._reactions.add(message, STOPPED)

    def _end_wait(self, message: IncomingMessage) -> None:
        if message.ts in self._told_to_wait:
            self._told_to_wait.discard(message.ts)
            self._reactions.remove(message, WAITING)

    def _answer(self, message: IncomingMessage, read: ThreadRead | None, root: ActiveSpan) -> None:
        named = addressed(message.without_mention(self._me.user), self._roster.names)
        if not named.prompt and not message.files:
            self._answering.say(message, usage_message(self._me.user, self._roster.names))
            return
        if read is None and message.in_thread:
            read = self._deciding.read(message)
        agents = self._choose(named.agents, message, read)
        root.set(agent=", ".join(agent.name for agent in agents))
        with (
            self._running.running(_running_turn(message, root)) as cancellation,
            self._slot(message, cancellation),
        ):
            if self._stopping.is_set():
                cancellation.cancel(SHUTDOWN)
            failures = self._ask(agents, message, named.prompt, read, root, cancellation)
        self._reactions.add(message, _ending(failures))

    @contextmanager
    def _slot(self, message: IncomingMessage, cancellation: Cancellation) -> Iterator[None]:
        """Wait until agents may be asked; the message shows whether it waits or is read."""
        shown = WAITING if self._limiter.full else READ
        self._reactions.add(message, shown)
        try:
            with self._limiter.slot(cancellation):
                if shown is WAITING:
                    self._reactions.remove(message, WAITING)
                    self._reactions.add(message, shown := READ)
                yield
        finally:
            self._reactions.remove(message, shown)

    def _choose(
        self, named: Sequence[str], message: IncomingMessage, read: ThreadRead | None
    ) -> list[Agent]:
        """Those that are named, else the one whose thread it is, else the channel's."""
        if named:
            return [self._roster.agent(name) for name in named]
        speaker = read.thread().active_speaker if read else None
        if speaker is not None and speaker.agent is not None and is_me(speaker, self._me):
            return [self._roster.agent(speaker.agent)]
        return [self._roster.for_channel(message.channel)]

    def _ask(
        self,
        agents: Sequence[Agent],
        message: IncomingMessage,
        prompt: str,
        read: ThreadRead | None,
        root: ActiveSpan,
        cancellation: Cancellation,
    ) -> list[Failure]:
        """Ask them side by side; what went wrong is told to the user, and is the turn's too."""
        question = Question(
            message=message,
            prompt=prompt,
            history=read.history(before=message.ts) if read else (),
            fetched=self._fetch(message),
        )
        asked, left_out = agents[:MOST_AGENTS], agents[MOST_AGENTS:]
        if left_out:
            names = [agent.name for agent in left_out]
            self._answering.say(message, too_many_message(names, most=MOST_AGENTS))
        failures = _side_by_side(
            lambda agent: self._answering.answer(agent, question, root, cancellation), asked
        )
        # A stop is what somebody wanted: it says more of the turn than what failed beside it.
        for failure in sorted(failures, key=lambda failure: failure.status != "cancelled")[:1]:
            root.fail(failure.error_type, failure.message, status=failure.status)
        return failures

    def _fetch(self, message: IncomingMessage) -> FetchResult:
        if not message.files:
            return FetchResult(paths=(), refused=())
        with self._observability.span("fetch files", files=len(message.files)) as span:
            result = self._downloads.fetch(message.files)
            span.set(fetched=len(result.paths), refused=len(result.refused))
        return result


def _running_turn(message: IncomingMessage, root: ActiveSpan) -> RunningTurn:
    return RunningTurn(
        trace_id=root.trace_id,
        team=message.team,
        channel=message.channel,
        thread_ts=message.root_ts,
        message_ts=message.ts,
        user=message.user,
        audience=_audience(message),
    )


def _audience(message: IncomingMessage) -> str:
    return audience_of(
        team=message.team,
        channel=message.channel,
        kind=message.channel_type or "group",
        user=message.user,
    )


def _ending(failures: Sequence[Failure]) -> str:
    """The reaction that says how the turn ended."""
    if any(failure.status == "cancelled" for failure in failures):
        return STOPPED
    return FAILED if failures else DONE


def _side_by_side(ask: Callable[[Agent], Failure | None], agents: Sequence[Agent]) -> list[Failure]:
    """The first on this thread, each other on one of its own; what went wrong."""
    first, *others = agents
    with ThreadPoolExecutor(max(len(others), 1), thread_name_prefix="tracebot-agent") as threads:
        asked = [threads.submit(copy_context().run, ask, agent) for agent in others]
        failures = [ask(first), *(each.result() for each in asked)]
    return [failure for failure in failures if failure is not None]
