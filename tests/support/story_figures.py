"""Work out the figures of a story by plain arithmetic over its events, not through our queries."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.cli.fortnight.story import (
    Attempt,
    McpCall,
    Question,
    ShellRun,
    Story,
    Talk,
    Thumb,
)

CODEX_PRICE = (1.75, 0.175, 14.0)
"""Micro-dollars for a token of gpt-5.2-codex: read, read from the cache, written."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of a provider: the attempts of questions, which have tokens and a cost."""

    provider: str
    model: str
    seconds: float
    ending: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost: int | None

    @property
    def failed(self) -> bool:
        return self.ending != "answer"


@dataclass(frozen=True, kw_only=True)
class Happened:
    """One trace as the story has it."""

    at: float
    platform: str
    agent: str
    channel: str
    person: str
    seconds: float
    failed: bool
    text: str
    thumb: Thumb | None
    calls: tuple[Call, ...]
    answered: bool = True
    root: int = 0
    """The number of the trace that began its thread."""

    @property
    def cost(self) -> int | None:
        return added(call.cost for call in self.calls)


def happened(story: Story) -> list[Happened]:
    """Return the traces of a story in their order, messages that were left alone included."""
    traces: list[Happened] = []
    root = 0
    for event in story.events:
        match event:
            case Question():
                root = root if event.follows else len(traces)
                traces.append(_turn(event, root))
            case Talk():
                traces.append(_other(event.at, "slack", 0, False, event.text, answered=False))
            case ShellRun():
                name = f"run {event.command[0]}"
                traces.append(_other(event.at, "cli", event.seconds, event.exit_code != 0, name))
            case McpCall():
                name = f"tools/call {event.tool}"
                traces.append(_other(event.at, "mcp", event.seconds, False, name))
    return traces


def _turn(question: Question, root: int) -> Happened:
    return Happened(
        at=question.at,
        platform="slack",
        agent=question.agent,
        channel=question.channel,
        person=question.person,
        seconds=sum(each.seconds for each in question.attempts),
        failed=question.attempts[-1].ending != "answer",
        text=question.text,
        thumb=None if question.thumb and question.thumb.taken_back else question.thumb,
        calls=tuple(map(_call, question.attempts)),
        root=root,
    )


def _other(
    at: float, platform: str, seconds: float, failed: bool, text: str, *, answered: bool = True
) -> Happened:
    return Happened(
        at=at,
        platform=platform,
        agent="",
        channel="",
        person="",
        seconds=seconds,
        failed=failed,
        text=text,
        thumb=None,
        calls=(),
        answered=answered,
    )


def _call(attempt: Attempt) -> Call:
    told = attempt.ending == "answer"
    # Gemini names its model at the end of its answer.
    named = told or attempt.program != "gemini"
    return Call(
        provider=attempt.program,
        model=attempt.model if named else "",
        seconds=attempt.seconds,
        ending=attempt.ending,
        input_tokens=attempt.input_tokens if told else 0,
        output_tokens=attempt.output_tokens if told else 0,
        cached_tokens=attempt.cached_tokens if told else 0,
        cost=_cost(attempt),
    )


def _cost(attempt: Attempt) -> int | None:
    """Return what claude told, or codex's price; nobody knows what gemini's model costs."""
    if attempt.program == "claude":
        return attempt.cost
    if attempt.program == "codex" and attempt.ending == "answer":
        read, cached, written = CODEX_PRICE
        fresh = attempt.input_tokens - attempt.cached_tokens
        return round(
            fresh * read + attempt.cached_tokens * cached + attempt.output_tokens * written
        )
    return None


def added(costs: Iterable[int | None]) -> int | None:
    """Return the sum of the known ones, None if none is known."""
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known else None


def nearest_rank(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of all do not exceed."""
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1]


def line(traces: Sequence[Happened]) -> dict[str, object]:
    """Return the figures of some traces, named as `stats --json` names them; times in seconds."""
    calls = [call for each in traces for call in each.calls]
    cost = added(call.cost for call in calls)
    thumbs = [each.thumb.up for each in traces if each.thumb]
    return {
        "traces": len(traces),
        "errors": sum(each.failed for each in traces),
        **_percentiles([each.seconds for each in traces]),
        "input_tokens": sum(call.input_tokens for call in calls),
        "output_tokens": sum(call.output_tokens for call in calls),
        "cached_tokens": sum(call.cached_tokens for call in calls),
        "cost_usd": None if cost is None else cost / 1e6,
        "thumbs_up": thumbs.count(True),
        "thumbs_down": thumbs.count(False),
    }


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    return {f"p{share}_ms": 1_000 * nearest_rank(seconds, share / 100) for share in (50, 95, 99)}


def call_line(traces: Sequence[Happened], dimension: str, value: str) -> dict[str, object]:
    """Return the figures of the calls of one provider or model, a thumb being for the last call."""
    calls, thumbs = [], []
    for each in traces:
        of_it = [call for call in each.calls if getattr(call, dimension) == value]
        calls += of_it
        if each.thumb and of_it and of_it[-1] is each.calls[-1]:
            thumbs.append(each.thumb.up)
    cost = added(call.cost for call in calls)
    return {
        "traces": len(calls),
        "errors": sum(call.failed for call in calls),
        **_percentiles([call.seconds for call in calls]),
        "input_tokens": sum(call.input_tokens for call in calls),
        "output_tokens": sum(call.output_tokens for call in calls),
        "cached_tokens": sum(call.cached_tokens for call in calls),
        "cost_usd": None if cost is None else cost / 1e6,
        "thumbs_up": thumbs.count(True),
        "thumbs_down": thumbs.count(False),
    }
