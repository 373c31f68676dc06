"""Ask an agent and record it: one span for the request, and under it one for each attempt."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from bot.agents.errors import (
    FALLBACK_ERRORS,
    AgentCancelled,
    AgentError,
    AgentTimeout,
    SessionGone,
)
from bot.agents.pricing import with_estimated_cost
from bot.agents.sessions import GONE, ThreadSession
from bot.agents.tool_uses import ToolUses
from bot.agents.types import Agent, Progress, Provider, Reply, Request
from storage import ActiveSpan, Observability
from storage.model.prices import load_in_background
from storage.model.redaction import redacted_end
from storage.model.semconv import CACHE_WRITE, FALLBACK, FIRST_CHUNK
from storage.model.span import Status

STDERR_CHARACTERS = 4_000
"""How much of the end of an agent's stderr the span of a failed attempt keeps."""


def invoke(agent: Agent, request: Request, *, observability: Observability) -> Reply:
    """Return the reply of the agent's first provider that has one.

    If none has, the last provider's `AgentError` is recorded and raised.
    """
    # A request may ask for less than the agents file allows, never for more.
    if agent.mode == "query":
        request = replace(request, mode="query")
    request = replace(request, instructions=agent.instructions or request.instructions)
    name = f"invoke_agent {agent.name}"
    with observability.span(name, kind="client", agent=agent.name, mode=request.mode) as span:
        span.set(**{"gen_ai.operation.name": "invoke_agent"}, **_sizes(request))
        reply = _recording_failure(span, lambda: _ask(agent, request, span, observability))
        span.set(provider=reply.provider, model=reply.model)
        return reply


def _sizes(request: Request) -> dict[str, object]:
    """Return span attributes that say how much the agent is given."""
    return {
        "prompt_characters": len(request.prompt),
        "history_messages": len(request.history),
        "history_characters": sum(len(message.text) for message in request.history),
        "files": len(request.files),
    }


def _ask(agent: Agent, request: Request, span: ActiveSpan, observability: Observability) -> Reply:
    """Ask one provider after the other until one answers or fails for good."""
    *others, last = agent.providers
    for fallbacks, provider in enumerate(others):
        span.set(fallbacks=fallbacks)
        try:
            return _attempt(agent, provider, request, observability, fallback=fallbacks > 0)
        except AgentError as error:
            if error.error_type not in FALLBACK_ERRORS:
                raise
        request.on_progress(Progress(restart=True))
    span.set(fallbacks=len(others))
    return _attempt(agent, last, request, observability, fallback=bool(others))


def _attempt(
    agent: Agent,
    provider: Provider,
    request: Request,
    observability: Observability,
    *,
    fallback: bool,
) -> Reply:
    # Only this span carries the configured provider, tokens and cost: a call of an agent counts
    # once for its provider, and what the agent reports of its own calls counts for these.
    with observability.span(
        f"attempt {provider.name}",
        kind="client",
        configured_provider=provider.name,
        provider=provider.name,
        model=provider.model,
        mode=request.mode,
    ) as span:
        configured = {"tracebot.model.configured": provider.model, FALLBACK: fallback or None}
        span.set(**_without_none(configured))
        tools = ToolUses(request)
        session = ThreadSession(
            observability.database,
            agent.name,
            provider,
            replace(request, traceparent=span.traceparent, on_progress=tools.add),
        )
        try:
            reply = _recording_failure(
                span, lambda: _continue(provider, session), attempt=session.request
            )
        finally:
            span.set(**_sizes(session.request), **session.attributes())
            tools.record(span)
        _record(span, reply)
        session.keep(reply, span.trace_id)
        return reply


def _continue(provider: Provider, session: ThreadSession) -> Reply:
    """Return the answer in the session of the thread, or in a new one if that is gone."""
    session.take()
    try:
        return _answer(provider, session.request)
    except SessionGone as gone:
        session.begin_anew(GONE)
        given_up = gone.partial
    if given_up is None:
        return _answer(provider, session.request)
    # Each part is priced before they are added: one may tell its cost, and the other not.
    given_up = with_estimated_cost(given_up)
    try:
        return _answer(provider, session.request).with_usage_of(given_up)
    except AgentError as error:
        partial = error.partial and with_estimated_cost(error.partial)
        error.partial = given_up if partial is None else partial.with_usage_of(given_up)
        raise


def _answer(provider: Provider, request: Request) -> Reply:
    if request.cancellation.by is not None:
        raise AgentCancelled(request.cancellation.by)
    if provider.name != "echo":  # It costs nothing, and the first turn with it should be quick.
        load_in_background()
    return with_estimated_cost(provider.answer(request))


def _recording_failure(
    span: ActiveSpan, ask: Callable[[], Reply], *, attempt: Request | None = None
) -> Reply:
    try:
        return ask()
    except AgentError as error:
        span.fail(error.error_type, error.message, status=status_of(error))
        if attempt is not None:
            if error.partial is not None:
                _record(span, with_estimated_cost(error.partial))
            span.set(**_without_none({"process.exit.code": error.exit_code}))
            stderr = redacted_end(error.stderr, STDERR_CHARACTERS)
            # It may repeat the question.
            kept = stderr if attempt.captured(stderr) else None
            span.set(**_without_none({"process.stderr": kept}))
        raise


def status_of(error: AgentError) -> Status:
    """Return the status of a span that ended with `error`."""
    if isinstance(error, AgentTimeout):
        return "timeout"
    return "cancelled" if isinstance(error, AgentCancelled) else "error"


def _record(span: ActiveSpan, reply: Reply) -> None:
    span.set(
        provider=reply.provider,
        **_without_none(
            {
                "model": reply.model,
                "input_tokens": reply.input_tokens,
                "output_tokens": reply.output_tokens,
                "cached_tokens": reply.cached_tokens,
                "cost": reply.cost,
                "cost_source": reply.cost_source,
                "turns": reply.turns,
                "tool_calls": reply.tool_calls,
                CACHE_WRITE: reply.cache_write_tokens,
                FIRST_CHUNK: _seconds(reply.first_output_ns),
                "gen_ai.response.finish_reasons": reply.stop_reason,
                "gen_ai.response.id": reply.response_id,
                "gen_ai.conversation.id": reply.session_id,
                "process.exit.code": reply.exit_code,
            }
        ),
    )


def _seconds(duration_ns: int | None) -> float | None:
    return None if duration_ns is None else duration_ns / 1e9


def _without_none(attributes: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in attributes.items() if value is not None}
