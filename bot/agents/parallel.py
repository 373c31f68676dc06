"""Several agents at once, from Python: each is recorded under one parent."""

import contextvars
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bot.agents.errors import AgentError
from bot.agents.invocation import invoke
from bot.agents.types import Agent, Reply, Request
from storage import Observability

AT_ONCE = 4
"""How many agents work at the same time: each may be a program with a model's context in it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentQuery:
    """What `agent` is asked."""

    agent: Agent
    request: Request


@dataclass(frozen=True, kw_only=True, slots=True)
class QueryResult:
    """What came of a question: a reply, or the error that says why there is none."""

    agent: str
    trace_id: str
    duration_ns: int
    reply: Reply | None = None
    error: AgentError | None = None


def query(
    questions: Sequence[AgentQuery], *, observability: Observability, at_once: int = AT_ONCE
) -> tuple[QueryResult, ...]:
    """The answers in the order of the questions, asked `at_once` at a time.

    >>> answers = query(
    ...     [Question(agent=agent, request=Request(prompt="What changed?")) for agent in agents],
    ...     observability=observability,
    ... )

    An exception in here, such as Ctrl-C, cancels the agents that still work.
    """
    with (
        observability.span("query", agents=len(questions)) as span,
        ThreadPoolExecutor(at_once, thread_name_prefix="query") as pool,
    ):
        # Each thread starts in our context, where the parent is the current span.
        pending = [
            pool.submit(
                contextvars.copy_context().run, _ask, question, span.trace_id, observability
            )
            for question in questions
        ]
        try:
            answers = tuple(each.result() for each in pending)
        except BaseException:
            for question in questions:
                question.request.cancellation.cancel("interrupt")
            raise
        failed = [answer.agent for answer in answers if answer.error is not None]
        if failed:
            span.fail("agents_failed", f"No answer from {', '.join(failed)}.")
    return answers


def _ask(question: AgentQuery, trace_id: str, observability: Observability) -> QueryResult:
    began, reply, failure = time.monotonic_ns(), None, None
    try:
        reply = invoke(question.agent, question.request, observability=observability)
    except AgentError as error:
        failure = error
    return QueryResult(
        agent=question.agent.name,
        trace_id=trace_id,
        duration_ns=time.monotonic_ns() - began,
        reply=reply,
        error=failure,
    )
