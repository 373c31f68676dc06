"""Ask several agents at once from Python; their spans share one parent."""

import contextvars
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bot.agents.errors import AgentError
from bot.agents.invocation import invoke
from bot.agents.types import Agent, Reply, Request
from storage import Observability
from storage.model.filters import TOGETHER

logger = logging.getLogger("tracebot.agents")

AT_ONCE = 4
"""Agents that work at the same time: each may be a program that takes hundreds of MB."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentQuery:
    """A request to one agent."""

    agent: Agent
    request: Request


@dataclass(frozen=True, kw_only=True, slots=True)
class QueryResult:
    """The outcome of an `AgentQuery`: a reply, or the error that explains why there is none."""

    agent: str
    trace_id: str
    duration_ns: int
    reply: Reply | None = None
    error: AgentError | None = None


def query(
    queries: Sequence[AgentQuery], *, observability: Observability, at_once: int = AT_ONCE
) -> tuple[QueryResult, ...]:
    """Return the results in the order of the queries; at most `at_once` agents work at a time.

    >>> results = query(
    ...     [AgentQuery(agent=agent, request=Request(prompt="What changed?")) for agent in agents],
    ...     observability=observability,
    ... )

    An exception that interrupts this call, such as Ctrl-C, cancels the agents that still work.
    """
    names = TOGETHER.join(dict.fromkeys(each.agent.name for each in queries))
    asked = dict.fromkeys(each.request.captured(each.request.prompt) for each in queries)
    text = "\n".join(filter(None, asked)) or None
    with (
        observability.span("query", agent=names, agents=len(queries), text=text) as span,
        ThreadPoolExecutor(at_once, thread_name_prefix="query") as pool,
    ):
        # Each thread runs in its own copy of this context, so that its spans have ours as their
        # parent. One copy for all would not do: a context cannot be entered twice at a time.
        pending = [
            pool.submit(contextvars.copy_context().run, _ask, each, span.trace_id, observability)
            for each in queries
        ]
        try:
            results = tuple(each.result() for each in pending)
        except BaseException:
            # Leaving the pool waits for its threads: cancelled, they end soon instead of at last.
            for each in queries:
                each.request.cancellation.cancel("interrupt")
            raise
        failed = [result.agent for result in results if result.error is not None]
        if failed:
            span.fail("agents_failed", f"No answer from {', '.join(failed)}.")
    return results


def _ask(asked: AgentQuery, trace_id: str, observability: Observability) -> QueryResult:
    began, reply, failure = time.monotonic_ns(), None, None
    try:
        reply = invoke(asked.agent, asked.request, observability=observability)
    except AgentError as error:
        failure = error
    except Exception as error:  # Of one agent: the answers of the others are kept.
        logger.exception("%s failed", asked.agent.name)
        what = f"{asked.agent.name} failed with {type(error).__name__}, which the log explains."
        failure = AgentError("internal", what)
    return QueryResult(
        agent=asked.agent.name,
        trace_id=trace_id,
        duration_ns=time.monotonic_ns() - began,
        reply=reply,
        error=failure,
    )
