"""What a child process may know of our environment: a list of names, never all but a list."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from bot.agents.types import Request
from storage.model.trace_context import parent_resource, parse_traceparent

ALLOWED = ("PATH", "HOME", "LANG", "LC_*", "TZ", "TMPDIR", "USER", "SHELL", "TERM")
FORBIDDEN = ("SLACK_*", "TRACEBOT_DATABASE_URL", "TRACEBOT_OTLP_TOKEN")
"""Never given to a child, whoever asks for it."""

RESOURCE = "OTEL_RESOURCE_ATTRIBUTES"


def matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def child_environment(
    inherited: Mapping[str, str],
    *,
    agent: str,
    request: Request,
    passed: Iterable[str] = (),
    own: Mapping[str, str],
) -> dict[str, str]:
    """Of `inherited` what is allowed or `passed` (names, `*` allowed), `own`, and the trace."""
    allowed = (*ALLOWED, *passed)
    environment = {name: value for name, value in inherited.items() if matches(name, allowed)}
    environment |= own
    environment |= _trace(agent, request, resource=environment.get(RESOURCE))
    return {
        name: value for name, value in environment.items() if not matches(name.upper(), FORBIDDEN)
    }


def _trace(agent: str, request: Request, *, resource: str | None) -> dict[str, str]:
    """What hangs the child's own spans under ours, for both ways in which agents do that."""
    values = {
        "TRACEBOT_AGENT": agent,
        "TRACEBOT_CHANNEL": request.channel,
        "TRACEBOT_THREAD_TS": request.thread_ts,
    }
    ids = parse_traceparent(request.traceparent)
    if ids is not None:
        values["TRACEPARENT"] = request.traceparent
        values[RESOURCE] = parent_resource(ids, resource)
    return {name: value for name, value in values.items() if value is not None}
