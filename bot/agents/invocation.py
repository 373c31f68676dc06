"""Ask an agent, and record it: one span for the question, one under it for each attempt."""

from collections.abc import Callable
from dataclasses import replace

from bot.agents.agent import Agent, AgentError, AgentTimeout, Reply, Request
from storage import ActiveSpan, Observability
from storage.span import Status

LAST_WORDS = 4_000
"""How many characters of an agent's stderr a record of its failure keeps."""


def invoke(agent: Agent, request: Request, *, observability: Observability) -> Reply:
    """The agent's answer. Raises `AgentError`, recorded, when there is none."""
    name = f"invoke_agent {agent.name}"
    with observability.span(name, kind="client", agent=agent.name, mode=request.mode) as span:
        span.set(**{"gen_ai.operation.name": "invoke_agent"}, **_sizes(request))
        reply = _noting_failure(span, lambda: _attempt(agent, request, observability))
        span.set(provider=reply.provider, model=reply.model)
        return reply


def _sizes(request: Request) -> dict[str, object]:
    """How much the agent is given."""
    return {
        "prompt_characters": len(request.prompt),
        "history_messages": len(request.history),
        "history_characters": sum(len(message.text) for message in request.history),
        "files": len(request.files),
    }


def _attempt(agent: Agent, request: Request, observability: Observability) -> Reply:
    # The configured provider, tokens and cost stand here only: statistics add up spans with them.
    with observability.span(
        f"attempt {agent.provider}",
        kind="client",
        configured_provider=agent.provider,
        provider=agent.provider,
    ) as span:
        traced = replace(request, traceparent=span.traceparent)
        reply = _noting_failure(span, lambda: agent.answer(traced), last_words=True)
        span.set(
            provider=reply.provider,
            model=reply.model,
            input_tokens=reply.input_tokens,
            output_tokens=reply.output_tokens,
            cached_tokens=reply.cached_tokens,
            cost=reply.cost,
            cost_source=reply.cost_source,
            **_known({"gen_ai.conversation.id": reply.session_id}),
            **_known({"process.exit.code": reply.exit_code}),
        )
        return reply


def _noting_failure(
    span: ActiveSpan, ask: Callable[[], Reply], *, last_words: bool = False
) -> Reply:
    try:
        return ask()
    except AgentError as error:
        status: Status = "timeout" if isinstance(error, AgentTimeout) else "error"
        span.fail(error.error_type, error.message, status=status)
        if last_words:
            span.set(**_known({"process.exit.code": error.exit_code}))
            span.set(**_known({"process.stderr": error.stderr[-LAST_WORDS:] or None}))
        raise


def _known(attributes: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in attributes.items() if value is not None}
