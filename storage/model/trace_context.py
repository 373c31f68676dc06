"""OpenTelemetry's ids, as hex: 32 digits a trace, 16 a span; and W3C's header that carries them."""

import os

from storage.model.semconv import PARENT_SPAN_ID, PARENT_TRACE_ID

Ids = tuple[str, str]
"""A trace id and a span id."""

HEX = frozenset("0123456789abcdef")


def new_trace_id(now_ns: int) -> str:
    """Milliseconds first, so that rows of one time lie together; the rest is random.

    Still valid: https://www.w3.org/TR/trace-context-2/ asks for 7 random bytes, the rightmost.
    """
    return f"{now_ns // 1_000_000:012x}{os.urandom(10).hex()}"


def new_span_id() -> str:
    return os.urandom(8).hex()


def format_traceparent(trace_id: str, span_id: str) -> str:
    """The header that hangs another process's spans under this one."""
    return f"00-{trace_id}-{span_id}-01"


def parent_resource(ids: Ids, inherited: str | None) -> str:
    """OTEL_RESOURCE_ATTRIBUTES for a process that this span starts: many keep no TRACEPARENT.

    What the process sends to our receiver hangs under the span; see `storage.otlp.correlation`.
    """
    kept = [
        fact
        for fact in (inherited or "").split(",")
        if fact and not fact.startswith((PARENT_TRACE_ID, PARENT_SPAN_ID))
    ]
    return ",".join([*kept, f"{PARENT_TRACE_ID}={ids[0]}", f"{PARENT_SPAN_ID}={ids[1]}"])


def parse_traceparent(header: str | None) -> Ids | None:
    """Trace and span id of a W3C `traceparent`, None where it is not one."""
    parts = (header or "").strip().lower().split("-")
    if len(parts) < 4 or parts[0] == "ff" or [len(part) for part in parts[:4]] != [2, 32, 16, 2]:
        return None
    if set("".join(parts[:4])) - HEX or not (int(parts[1], 16) and int(parts[2], 16)):
        return None
    return parts[1], parts[2]
