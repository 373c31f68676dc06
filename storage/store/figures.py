"""Observe figures of platforms, agents and providers on ended spans: see `storage.model.figures`.

Only attributes that an erasure keeps are read, so that a trace which is counted again gives the
same figures at any time. This runs for every span, so one look-up leaves out most of them.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from storage.model.figures import COMMAND, FIGURE, TOOL
from storage.model.semconv import (
    EXECUTE_TOOL,
    FALLBACK,
    FIRST_WORD,
    READ_THREAD,
    REPLY,
    TIME_TO_ANSWER,
    TOOL_CALL,
    TOOL_NAME,
)
from storage.model.span import Span

LONGEST_NAME = 64
"""Characters of the name of a program or a tool, which others choose."""

Observation = tuple[str, str, float | None, bool]
"""Dimension, key, value, and whether the observation is marked."""
Observations = Sequence[Observation]

NOTHING: Observations = ()

NUMBER, LIST = (int, float), (list, tuple)
"""For `isinstance`. Tuples, because a union such as `int | float` costs a microsecond each time."""


def may_tell(span: Span) -> bool:
    """Return False for spans within a turn that have no observations, which are most of them."""
    return span.name in IN_SLACK or span.platform == "mcp"


def observations(span: Span) -> Observations:
    """Return the observations of an ended span."""
    if span.configured_provider is not None:
        return _attempt(span)
    if span.platform == "slack":
        observe = IN_SLACK.get(span.name)
    else:
        observe = ELSEWHERE.get((span.platform, span.name.partition(" ")[0]))
    if observe is None:
        return NOTHING
    # Others may use our names. Tools are called by programs with any instrumentation.
    is_ours = span.process is not None and span.scope is None
    return observe(span) if is_ours or observe is _tool else NOTHING


def _thread(span: Span) -> Observations:
    length = _number(span, "thread_length")
    known = span.attributes.get("cache") == "hit"
    return [(FIGURE, "slack:thread_length", length, known)] if length else NOTHING


def _reply(span: Span) -> Observations:
    first, whole = span.attributes.get(FIRST_WORD), span.attributes.get(TIME_TO_ANSWER)
    if not (isinstance(first, NUMBER) and isinstance(whole, NUMBER)):
        return NOTHING
    return (
        (FIGURE, "slack:first_word", first * 1e9, False),
        (FIGURE, "slack:answer", whole * 1e9, False),
    )


def _files(span: Span) -> Observations:
    fetched, refused = _number(span, "fetched") or 0, _number(span, "refused") or 0
    return [(FIGURE, "slack:files", fetched + refused, refused > 0)]


def _reaction(span: Span) -> Observations:
    return [(FIGURE, "slack:reaction", None, span.name == "reaction removed")]


def _decision(span: Span) -> Observations:
    speaker, agents = span.attributes.get("active_speaker"), span.attributes.get("agents")
    if not (speaker and agents and isinstance(agents, LIST)) or speaker in agents:
        return NOTHING
    took_over = ((FIGURE, f"agent:{agent}:took_over", None, False) for agent in agents)
    return [(FIGURE, "slack:speaker_changed", None, False), *took_over]


def _query(span: Span) -> Observations:
    agents = _number(span, "agents")
    return [(FIGURE, "cli:query", agents, agents > 1)] if agents else NOTHING


def _command(span: Span) -> Observations:
    name = span.name.partition(" ")[2][:LONGEST_NAME]
    return [(COMMAND, name, span.duration_ns, span.failed)]


def _tool(span: Span) -> Observations:
    name = str(span.attributes.get(TOOL_NAME) or span.name.partition(" ")[2])[:LONGEST_NAME]
    return [(TOOL, name, span.duration_ns, span.failed)] if name else NOTHING


def _attempt(span: Span) -> Observations:
    key = _model_key(span.configured_provider, span.model)
    return [(FIGURE, key, None, bool(span.attributes.get(FALLBACK)))]


@lru_cache(100)
def _model_key(provider: str | None, model: str | None) -> str:
    return f"provider:{provider}:model:{model or ''}"


def _number(span: Span, attribute: str) -> float | None:
    value = span.attributes.get(attribute)
    return value if isinstance(value, NUMBER) else None


Observer = Callable[[Span], Observations]

IN_SLACK: Mapping[str, Observer] = {
    READ_THREAD: _thread,
    REPLY: _reply,
    "fetch files": _files,
    "reaction added": _reaction,
    "reaction removed": _reaction,
    "decide": _decision,
}
"""Observers of spans of Slack, by the span's name."""

ELSEWHERE: Mapping[tuple[str | None, str], Observer] = {
    ("cli", "query"): _query,
    ("cli", "run"): _command,
    ("mcp", TOOL_CALL): _tool,
    ("mcp", EXECUTE_TOOL): _tool,
}
"""Observers of other spans, by the span's platform and the first word of its name."""
