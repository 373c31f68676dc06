"""List the steps of the agents in a trace: their calls of models and their uses of tools.

Below each attempt of ours is what it tells of itself, in the order of time: the model calls and
the tools in its telemetry. Which spans those are differs from program to program.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from reports import formatting
from storage.model.erasure import OPERATION
from storage.model.span import Span

Kind = Literal["attempt", "model", "tool"]

MODEL_OPERATIONS = frozenset(("chat", "generate_content", "text_completion", "embeddings"))
TOOL_NAMES = ("gen_ai.tool.name", "tool_name")
"""The attributes with a tool's name: OpenTelemetry's, and claude's."""

ARGUMENTS = (
    *("gen_ai.tool.call.arguments", "ai.toolCall.args", "tool_input", "tool_parameters"),
    *("function_args", "full_command", "arguments", "input.value", "traceloop.entity.input"),
)
"""The attributes with a tool's arguments. They were stored without secrets."""

LONGEST_ARGUMENTS = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkLine:
    """One attempt, model call or use of a tool; what is within an attempt has depth 1.

    `facts` is one line: tokens, cost and error, or the arguments of a tool.
    """

    kind: Kind
    depth: int
    icon: str
    status: str
    title: str
    duration: str
    facts: str


def agent_work(spans: Sequence[Span], *, now: int) -> tuple[WorkLine, ...]:
    """Return the lines of spans, which come by their start; what has no attempt comes last."""
    kinds = {span.span_id: kind for span in spans if (kind := _kind(span))}
    above = _ancestors({span.span_id: span for span in spans})
    within: dict[str, list[WorkLine]] = {"": []}
    for span in _innermost_calls(spans, kinds, above):
        kind = kinds[span.span_id]
        attempts = (each for each in above(span) if kinds.get(each) == "attempt")
        attempt = span.span_id if kind == "attempt" else next(attempts, "")
        within.setdefault(attempt, [])
        line = _line(span, kind, 0 if kind == "attempt" or not attempt else 1, now)
        within[attempt].append(line)
    alone = within.pop("")
    return (*(line for lines in within.values() for line in lines), *alone)


def _kind(span: Span) -> Kind | None:
    """Return None for what is not a step of an agent, such as Slack's machinery."""
    if span.configured_provider is not None:  # Only our attempts have it.
        return "attempt"
    operation = span.attributes.get(OPERATION)
    if operation == "execute_tool" or any(name in span.attributes for name in TOOL_NAMES):
        return "tool"
    used = span.input_tokens is not None or span.output_tokens is not None
    if operation in MODEL_OPERATIONS or (span.model and used):
        return "model"
    return None


def _ancestors(spans: Mapping[str, Span]) -> Callable[[Span], Iterator[str]]:
    def above(span: Span) -> Iterator[str]:
        """Yield the ids of the spans above, nearest first. Broken senders report circles."""
        seen = {span.span_id}
        parent = spans.get(span.parent_id or "")
        while parent is not None and parent.span_id not in seen:
            seen.add(parent.span_id)
            yield parent.span_id
            parent = spans.get(parent.parent_id or "")

    return above


def _innermost_calls(
    spans: Sequence[Span],
    kinds: Mapping[str, Kind],
    above: Callable[[Span], Iterator[str]],
) -> Iterator[Span]:
    """Yield each step once, though several spans may tell of it.

    Of model calls it is the innermost, because those around it sum up; of tools the outermost,
    which has the name and the arguments.
    """
    sums = {
        each
        for span in spans
        if kinds.get(span.span_id) == "model"
        for each in above(span)
        if kinds.get(each) == "model"
    }
    for span in spans:
        kind = kinds.get(span.span_id)
        in_tool = kind == "tool" and any(kinds.get(each) == "tool" for each in above(span))
        if kind and span.span_id not in sums and not in_tool:
            yield span


def _line(span: Span, kind: Kind, depth: int, now: int) -> WorkLine:
    took = now - span.started_at if span.status == "running" else span.duration_ns
    facts = _arguments(span) if kind == "tool" else _spent(span)
    error = span.error_message or span.error_type or ""
    return WorkLine(
        kind=kind,
        depth=depth,
        icon=formatting.ICONS.get(span.status, "?"),
        status=span.status,
        title=formatting.shortened(_title(span, kind), 80),
        duration=formatting.duration(took),
        facts=formatting.shortened(", ".join(filter(None, (*facts, error))), LONGEST_ARGUMENTS),
    )


def _title(span: Span, kind: Kind) -> str:
    if kind == "attempt":
        who = span.provider if span.agent in (None, span.provider) else f"{span.agent}"
        return " ".join(filter(None, (who or span.name, span.model)))
    if kind == "model":
        return span.model or span.name
    names = (span.attributes.get(name) for name in TOOL_NAMES)
    return next((str(name) for name in names if name), span.name)


def _spent(span: Span) -> tuple[str, ...]:
    price = formatting.cost(span.cost) if span.cost is not None else ""
    estimated = " estimated" if price and span.cost_source == "estimated" else ""
    tools = span.attributes.get("tool_calls")
    return (
        formatting.token_pair(span.input_tokens, span.output_tokens),
        f"{price}{estimated}",
        f"{tools} tool{'' if tools == 1 else 's'}" if isinstance(tools, int) and tools else "",
    )


def _arguments(span: Span) -> tuple[str, ...]:
    found = (span.attributes.get(name) for name in ARGUMENTS)
    return (next((str(arguments) for arguments in found if arguments), ""),)
