"""Trace and span ids, and how they are passed to other processes.

Ids are OpenTelemetry's, in hex: 32 digits for a trace and 16 for a span.
"""

import os
from typing import TypeGuard

from storage.model.semconv import PARENT_SPAN_ID, PARENT_TRACE_ID

Ids = tuple[str, str]
"""A trace id and a span id."""

HEX = frozenset("0123456789abcdef")

ASKED_AT_ONCE = 128
_span_ids: list[str] = []
_trace_ends: list[str] = []
"""Random digits for the next ids. Asking the system for each would take half of a span's time.

Threads may share them: `pop` is one step of the interpreter.
"""
# A forked child would give out the same ids as its parent.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_span_ids.clear)
    os.register_at_fork(after_in_child=_trace_ends.clear)


def new_trace_id(now_ns: int) -> str:
    """Return a new id that begins with the time in milliseconds. The rest is random.

    So rows of about the same time lie together in the database. This is a valid trace id:
    https://www.w3.org/TR/trace-context-2/ asks for at least 7 random bytes at the right.
    """
    try:
        end = _trace_ends.pop()
    except IndexError:
        end = _refill(_trace_ends, 20)
    # Takes half as long as formatting the number.
    return (now_ns // 1_000_000).to_bytes(6).hex() + end


def new_span_id() -> str:
    try:
        return _span_ids.pop()
    except IndexError:
        return _refill(_span_ids, 16)


def _refill(stock: list[str], length: int) -> str:
    """Fill the stock with random digits of this length, and return one more."""
    new, *others = os.urandom(ASKED_AT_ONCE * length // 2).hex(" ", length // 2).split()
    stock.extend(others)
    return new


def format_traceparent(trace_id: str, span_id: str) -> str:
    """Return the W3C `traceparent` header for a process whose spans belong under this span."""
    return f"00-{trace_id}-{span_id}-01"


def parent_resource(ids: Ids, inherited: str | None) -> str:
    """Return OTEL_RESOURCE_ATTRIBUTES for a process that a span starts, with the span's ids.

    Many programs ignore TRACEPARENT but send these attributes, by which `storage.otlp.correlation`
    finds the span. `inherited` is the variable's present value, which is kept.
    """
    kept = [
        fact
        for fact in (inherited or "").split(",")
        if fact and not fact.startswith((PARENT_TRACE_ID, PARENT_SPAN_ID))
    ]
    return ",".join([*kept, f"{PARENT_TRACE_ID}={ids[0]}", f"{PARENT_SPAN_ID}={ids[1]}"])


def parse_traceparent(header: str | None) -> Ids | None:
    """Return the trace and span id of a W3C `traceparent` header, None if it is not valid."""
    parts = (header or "").strip().lower().split("-")
    if len(parts) < 4 or parts[0] == "ff" or [len(part) for part in parts[:4]] != [2, 32, 16, 2]:
        return None
    if set("".join(parts[:4])) - HEX or not (int(parts[1], 16) and int(parts[2], 16)):
        return None
    return parts[1], parts[2]


def is_valid(ids: object) -> TypeGuard[Ids]:
    """Return True for a trace id and a span id that are lower-case hex and not only zeros."""
    return (
        type(ids) is tuple
        and [type(each) for each in ids] == [str, str]
        and [len(each) for each in ids] == [32, 16]
        and all(HEX.issuperset(each) and each.strip("0") for each in ids)
    )


SHORT_ID = 16
"""Digits: 12 are the millisecond in which a trace of ours began, and 4 are random."""


def short_id(trace_id: str) -> str:
    """Return the first digits of an id, which all commands take.

    Only `storage.queries.lookups.short_ids` knows whether no other trace begins with them.
    """
    return trace_id[:SHORT_ID]


def began_at(trace_id: str) -> int:
    """Return when a trace of ours began, in nanoseconds since the epoch, as its id says.

    0 if it is not an id. The id of another program's trace says any time.
    """
    try:
        return int(trace_id[:12], 16) * 1_000_000
    except ValueError:
        return 0
