"""Choose the environment of a child process: a list of names, never all except a list."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from bot.agents.types import Request
from storage.model.trace_context import parent_resource, parse_traceparent

ALLOWED = ("PATH", "HOME", "LANG", "LC_*", "TZ", "TMPDIR", "USER", "SHELL", "TERM")
FORBIDDEN = ("SLACK_*", "TRACEBOT_DATABASE_URL", "TRACEBOT_OTLP_TOKEN")
"""Names that no child gets, even if the agents file asks for them: they are the bot's secrets."""

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
    """Return the allowed and `passed` part of `inherited`, `own`, and the variables of the trace.

    `passed` are names, in which `*` stands for any characters.
    """
    allowed = (*ALLOWED, *passed)
    environment = {name: value for name, value in inherited.items() if matches(name, allowed)}
    environment |= own
    environment |= _trace(agent, request, resource=environment.get(RESOURCE))
    # Last, so that no way in gets around it.
    return {
        name: value for name, value in environment.items() if not matches(name.upper(), FORBIDDEN)
    }


def _trace(agent: str, request: Request, *, resource: str | None) -> dict[str, str]:
    """Return variables that make our span the parent of the child's.

    Some agents read TRACEPARENT. Others only send resource attributes along with their own spans,
    from which our receiver finds the parent.
    """
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
