"""Realistic traces in any number, the same ones each time.

A span fills about 20 columns and has about 300 bytes of attributes. Most traces are turns in
Slack of eight to ten spans; others are commands and tools, or turns that were only skipped.
"""

import random
from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any

from storage.model.span import Span, Status
from storage.tracing.active_span import ActiveSpan

MS = 1_000_000
SECOND = 1_000 * MS
DAY = 86_400 * SECOND
DAYS = 30
NOW = 1_764_000_000 * SECOND
"""2025-11-24 16:00:00 UTC: the traces lie in the 30 days before."""

TEAM = "T0BENCH"
PUBLIC = [f"C{number:08X}" for number in range(150)]
PRIVATE = [f"G{number:08X}" for number in range(50)]
USERS = [f"U{number:08X}" for number in range(300)]
AGENTS = ("claude", "codex", "gemini", "copilot", "opencode", "echo")
MODELS = {agent: f"{agent}-model-{number}" for number, agent in enumerate(AGENTS, 3)}
RARE_AGENT = "oracle"
"""Answers once in 20,000 traces."""

STATUSES: tuple[Status, ...] = ("ok", "error", "timeout", "cancelled")
WEIGHTS = (93, 4, 2, 1)
WORDS = (
    *("nightly", "import", "release", "customer", "retry", "timeout", "explains", "rows"),
    *("please", "look", "into", "why", "this", "breaks", "again", "after", "the", "deploy"),
)


def make_traces(spans: int, *, seed: int = 7, days: float = DAYS) -> Iterator[list[Span]]:
    """Yield traces of *days* days, oldest first: *spans* spans in all; the last may be cut."""
    chance = random.Random(seed)
    made, threads = 0, [(PUBLIC[0], TEAM, "1.0")]
    gap = int(days * DAY / spans)
    while made < spans:
        now = NOW - int((spans - made - chance.random()) * gap)
        trace = _trace(chance, now, threads)[: spans - made]
        made += len(trace)
        yield trace


def make_spans(spans: int, *, seed: int = 7, days: float = DAYS) -> list[Span]:
    """Yield the spans of `make_traces` in the order of their ends."""
    return [span for trace in make_traces(spans, seed=seed, days=days) for span in reversed(trace)]


def as_active(spans: Iterable[Span]) -> list[ActiveSpan]:
    """Return the same spans as objects of the recording API: ended, but not given to a writer."""
    active = []
    for span in spans:
        own = {word: getattr(span, word) for word in COLUMNS}
        attributes = {word: value for word, value in own.items() if value is not None}
        ended = ActiveSpan(
            span.name,
            lambda span: None,
            kind=span.kind,
            parent=(span.trace_id, span.parent_id) if span.parent_id else None,
            context={},
            attributes={**attributes, **span.attributes},
            started_at=span.started_at,
            ids=(span.trace_id, span.span_id),
        )
        ended.entry = False
        ended.status = span.status
        ended.end(span.ended_at)
        active.append(ended)
    return active


NOT_ATTRIBUTES = frozenset(
    ("trace_id", "span_id", "parent_id", "name", "kind", "status", "started_at", "ended_at")
    + ("duration_ns", "attributes", "events", "links", "scope", "process", "entry")
)
COLUMNS = tuple(item.name for item in fields(Span) if item.name not in NOT_ATTRIBUTES)


def _trace(chance: random.Random, now: int, threads: list[tuple[str, str, str]]) -> list[Span]:
    trace_id = f"{now // MS:012x}{chance.getrandbits(80):020x}"
    if chance.random() < 0.15:
        return _command(chance, now, trace_id)
    channel, audience, thread_ts = _place(chance, now, threads)
    context = {
        "platform": "slack",
        "team": TEAM,
        "channel": channel,
        "audience": audience,
        "thread_ts": thread_ts,
        "message_ts": f"{now // SECOND}.{chance.randrange(10**6):06d}",
        "user": chance.choice(USERS),
    }
    if chance.random() < 0.2:
        return _skipped(chance, now, trace_id, context)
    return _turn(chance, now, trace_id, context)


def _place(
    chance: random.Random, now: int, threads: list[tuple[str, str, str]]
) -> tuple[str, str, str]:
    if chance.random() < 0.6:
        return chance.choice(threads)
    channel = chance.choice(PUBLIC if chance.random() < 0.8 else PRIVATE)
    audience = TEAM if channel.startswith("C") else channel
    thread = (channel, audience, f"{now // SECOND}.{chance.randrange(10**6):06d}")
    threads.append(thread)
    del threads[:-200]
    return thread


def _turn(chance: random.Random, now: int, trace_id: str, context: dict[str, Any]) -> list[Span]:
    agent = RARE_AGENT if chance.random() < 1 / 20_000 else chance.choice(AGENTS)
    model = MODELS.get(agent, agent)
    status = chance.choices(STATUSES, WEIGHTS)[0]
    duration = int(chance.lognormvariate(22, 0.8))
    failure = {}
    if status != "ok":
        failure = {"error_type": status, "error_message": f"{agent} ended with {status}."}
    context = {**context, "agent": agent}
    call = {"configured_provider": agent, "provider": agent, "model": model}
    spent = {
        "input_tokens": chance.randrange(200, 40_000),
        "output_tokens": chance.randrange(20, 4_000),
        "cached_tokens": chance.randrange(0, 200),
        "cost": chance.randrange(100, 90_000),
        "cost_source": "reported",
    }
    decided = {"decision": "answer", "reason": "mentioned"}
    text = " ".join(chance.choices(WORDS, k=20))
    steps: list[tuple[str, int, float, dict[str, Any]]] = [
        ("slack message", -1, 1.0, {**failure, "text": text, **decided, "status": status}),
        ("decide", 0, 0.001, decided),
        ("add reaction", 0, 0.02, {}),
        (f"invoke_agent {agent}", 0, 0.9, {**failure, "status": status}),
        (f"attempt {agent}", 3, 0.88, {**call, **spent, **failure, "status": status}),
        *[(f"execute_tool {tool}", 4, 0.1, {}) for tool in ("read", "search", "edit")],
        ("reply", 0, 0.05, {}),
    ]
    return _spans(chance, now, trace_id, context, duration, steps)


def _skipped(chance: random.Random, now: int, trace_id: str, context: dict[str, Any]) -> list[Span]:
    decided = {"decision": "skip", "reason": chance.choice(("other_bot_mentioned", "no_mention"))}
    steps = [("slack message", -1, 1.0, decided), ("decide", 0, 0.5, decided)]
    return _spans(chance, now, trace_id, context, 2 * MS, steps)


def _command(chance: random.Random, now: int, trace_id: str) -> list[Span]:
    status = chance.choices(STATUSES, WEIGHTS)[0]
    steps: list[tuple[str, int, float, dict[str, Any]]] = [
        ("run pytest", -1, 1.0, {"status": status}),
        *[(f"tools/call step {step}", 0, 0.2, {}) for step in range(3)],
    ]
    context = {"platform": "cli" if chance.random() < 0.7 else "mcp"}
    return _spans(chance, now, trace_id, context, int(chance.lognormvariate(23, 1)), steps)


def _spans(
    chance: random.Random,
    now: int,
    trace_id: str,
    context: dict[str, Any],
    duration: int,
    steps: list[tuple[str, int, float, dict[str, Any]]],
) -> list[Span]:
    ids = [f"{chance.getrandbits(64):016x}" for _ in steps]
    seconds = duration / SECOND
    spans = []
    for number, (name, parent, share, facts) in enumerate(steps):
        length = max(int(duration * share), 1)
        begins = now + number * MS
        values: dict[str, Any] = {"status": "ok", **context, **facts}
        spans.append(
            Span(
                trace_id=trace_id,
                span_id=ids[number],
                parent_id=ids[parent] if parent >= 0 else None,
                name=name,
                kind="consumer" if parent < 0 else "internal",
                started_at=begins,
                ended_at=begins + length,
                duration_ns=length,
                attributes=_attributes(chance) | _figures(chance, name, seconds),
                process="bench:1:1:1",
                **values,
            )
        )
    return spans


def _figures(chance: random.Random, name: str, seconds: float) -> dict[str, object]:
    """Return what the bot records for the figures of statistics."""
    match name.split()[0]:
        case "decide":
            speaker, other = chance.choices(AGENTS, k=2)
            return {
                "active_speaker": speaker,
                "agents": [other if chance.random() < 0.1 else speaker],
            }
        case "reply":
            return {"slack.time_to_first_word": seconds / 2, "slack.time_to_answer": seconds}
    return {}


def _attributes(chance: random.Random) -> dict[str, object]:
    return {
        "messaging.operation.type": "process",
        "gen_ai.operation.name": "invoke_agent",
        "server.address": "slack.example.com",
        "http.response.status_code": 200,
        "slack.retry_num": chance.randrange(3),
        "tracebot.characters": chance.randrange(4_000),
        "tracebot.note": " ".join(chance.choices(WORDS, k=10)),
        "tracebot.queue.wait_ms": chance.random() * 10,
    }
