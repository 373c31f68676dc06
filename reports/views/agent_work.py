"""List the steps of the agents in a trace: their calls of models and their uses of tools.

Below each attempt of ours is what it tells of itself, in the order of time. The tools are events of
the attempt, if its output tells of them, or else in its telemetry, with its model calls. Which
spans those are differs from program to program.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from reports import formatting
from storage.model.erasure import OPERATION
from storage.model.semconv import EXECUTE_TOOL, TOOL_ARGUMENTS, TOOL_NAME
from storage.model.span import Span, parent_among

Kind = Literal["attempt", "model", "tool"]

MODEL_OPERATIONS = frozenset(("chat", "generate_content", "text_completion", "embeddings"))
TOOL_NAMES = (TOOL_NAME, "tool_name")
"""The attributes with a tool's name: OpenTelemetry's, and claude's."""

ARGUMENTS = (
    *(TOOL_ARGUMENTS, "ai.toolCall.args", "tool_input", "tool_parameters"),
    *("function_args", "full_command", "arguments", "input.value", "traceloop.entity.input"),
)
"""The attributes with a tool's arguments. They were stored without secrets."""

LONGEST_ARGUMENTS = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkLine:
    """One attempt, model call or use of a tool; what is within an attempt has depth 1.

    `facts` is one line: tokens, cost and error, or the arguments of a tool. `started_at` and
    `duration_ns` are raw values.
    """

    kind: Kind
    depth: int
    icon: str
    status: str
    title: str
    duration: str
    facts: str
    started_at: int
    duration_ns: int | None


def agent_work(spans: Sequence[Span], *, now: int) -> tuple[WorkLine, ...]:
    """Return the lines of spans, which come by their start; what has no attempt comes last."""
    kinds = {span.span_id: kind for span in spans if (kind := _kind(span))}
    above = _ancestors({span.span_id: span for span in spans})
    steps = list(_innermost_calls(spans, kinds, above))
    attempts = [span for span in steps if kinds[span.span_id] == "attempt"]
    within = {span.span_id: _tools_of(span) for span in attempts} | {"": []}
    told = {attempt for attempt, tools in within.items() if tools}
    for span in steps:
        kind = kinds[span.span_id]
        attempt = next((each for each in above(span) if kinds.get(each) == "attempt"), "")
        if kind != "attempt" and not (kind == "tool" and attempt in told):
            line = _line(span, kind, 1 if attempt else 0, now)
            within[attempt].append((span.started_at, line))
    lines = []
    for span in attempts:
        by_time = sorted(within[span.span_id], key=lambda each: each[0])
        lines += [_line(span, "attempt", 0, now), *(line for _, line in by_time)]
    return (*lines, *(line for _, line in within[""]))


def _tools_of(attempt: Span) -> list[tuple[int, WorkLine]]:
    """Return the tools that an attempt's output told of, with the times at which they began."""
    return [
        (at := int(str(event.get("at") or 0)), _event_line(event.get("attributes"), attempt, at))
        for event in attempt.events
        if event.get("name") == EXECUTE_TOOL
    ]


def _event_line(attributes: object, attempt: Span, at: int) -> WorkLine:
    facts = attributes if isinstance(attributes, Mapping) else {}
    # Of a tool without a result the attempt's own end says more.
    status = STATUSES.get(str(facts.get("status")), attempt.status)
    took = facts.get("duration_ns")
    return WorkLine(
        kind="tool",
        depth=1,
        icon=formatting.ICONS.get(status, "?"),
        status=status,
        title=formatting.shortened(str(facts.get(TOOL_NAME) or EXECUTE_TOOL), 80),
        duration=formatting.duration(took) if isinstance(took, int) else "",
        facts=formatting.shortened(str(facts.get(TOOL_ARGUMENTS) or ""), LONGEST_ARGUMENTS),
        started_at=at,
        duration_ns=took if isinstance(took, int) else None,
    )


STATUSES = {"complete": "ok", "error": "error"}
"""The status of a tool's use → that of a span."""


def _kind(span: Span) -> Kind | None:
    """Return None for what is not a step of an agent, such as Slack's machinery."""
    if span.configured_provider is not None:  # Only our attempts have it.
        return "attempt"
    # A span's name begins with its operation.
    operation = span.attributes.get(OPERATION) or span.name.partition(" ")[0]
    if operation == EXECUTE_TOOL or any(name in span.attributes for name in TOOL_NAMES):
        return "tool"
    used = span.input_tokens is not None or span.output_tokens is not None
    if operation in MODEL_OPERATIONS or (span.model and used):
        return "model"
    return None


def _ancestors(spans: Mapping[str, Span]) -> Callable[[Span], Iterator[str]]:
    def above(span: Span) -> Iterator[str]:
        """Yield the ids of the spans above, nearest first. Broken senders report circles."""
        seen = {span.span_id}
        parent = spans.get(parent_among(span, spans) or "")
        while parent is not None and parent.span_id not in seen:
            seen.add(parent.span_id)
            yield parent.span_id
            parent = spans.get(parent_among(parent, spans) or "")

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
    is_running = span.status == "running"
    took = formatting.lasting(span.started_at, now=now) if is_running else span.duration_ns
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
        started_at=span.started_at,
        duration_ns=took,
    )


def _title(span: Span, kind: Kind) -> str:
    if kind == "attempt":
        who = span.provider if span.agent in (None, span.provider) else f"{span.agent}"
        return " ".join(filter(None, (who or span.name, span.model)))
    if kind == "model":
        return span.model or span.name
    names = (str(span.attributes.get(name, "")) for name in TOOL_NAMES)
    return next(filter(None, names), span.name.removeprefix(f"{EXECUTE_TOOL} "))


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
