"""Describe the programs that send telemetry: their names for things, and what is noise.

Taken from what they really sent: claude 2.1.330, codex 0.171.0, opencode 1.18.33.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from storage.model.semconv import OPERATION
from storage.model.span import Span


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Source:
    """One program, recognised by its `service.name`, else by an instrumentation scope of its own.

    - `kept`: patterns of the span names to keep, if most are noise. Empty keeps all. What has an
      operation of the GenAI conventions is kept, too: plug-ins have names of their own.
    - `kept_with_tokens`: span names of `kept` that are kept only with a token count.
    - `ignored`: patterns of the attributes, log records and metrics to leave out.
    - `renamed`: the program's own names to the conventional ones.
    """

    agent: str | None = None
    kept: tuple[str, ...] = ()
    kept_with_tokens: frozenset[str] = frozenset()
    ignored: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    input_excludes_cache: bool = False
    """True if its input tokens do not include the cached ones, as the conventions require."""

    def keeps(self, span: Span) -> bool:
        if span.name in self.kept_with_tokens and span.output_tokens is None:
            return False
        if not self.kept or OPERATION in span.attributes:
            return True
        return any(fnmatchcase(span.name, pattern) for pattern in self.kept)

    def ignores(self, name: str) -> bool:
        return bool(self.ignored) and any(fnmatchcase(name, each) for each in self.ignored)


CLAUDE = Source(
    agent="claude",
    renamed={
        "input_tokens": "gen_ai.usage.input_tokens",
        "output_tokens": "gen_ai.usage.output_tokens",
        "cache_read_tokens": "gen_ai.usage.cache_read.input_tokens",
        "cache_creation_tokens": "gen_ai.usage.cache_write.input_tokens",
        "model": "gen_ai.request.model",
        "tool_name": "gen_ai.tool.name",
    },
    input_excludes_cache=True,
)
CODEX = Source(
    agent="codex",
    # One prompt causes 400 to 600 spans about its inner workings.
    kept=("session_task.turn", "handle_responses", "mcp.tools.call"),
    kept_with_tokens=frozenset({"handle_responses"}),
    ignored=(
        *("code.*", "thread.*", "target", "busy_ns", "idle_ns"),
        *("codex.sse_event*", "codex.startup*", "codex.auth*", "codex.skills.*", "codex.plugins.*"),
        *("codex.sqlite.*", "codex.db.*", "codex.rollout*", "codex.thread*", "codex.process.*"),
        *("codex.shell_snapshot*", "codex.cloud_config_bundle.*", "flushing OTEL metrics"),
    ),
    renamed={"model": "gen_ai.request.model"},
)
OPENCODE = Source(
    agent="opencode",
    kept=("ai.*", "Tool.execute"),
    ignored=("ai.settings.*", "ai.request.headers.*"),
)

SOURCES: Mapping[str, Source] = {
    "claude-code": CLAUDE,
    "codex*": CODEX,
    "opencode*": OPENCODE,
    "gemini-cli": Source(agent="gemini"),
    "github-copilot*": Source(agent="copilot"),
    "copilot*": Source(agent="copilot"),
}
"""Patterns of `service.name` in lower case. The first that matches is used."""

SCOPES: Mapping[str, Source] = {"com.anthropic.claude_code*": CLAUDE}
"""The same of scope names, for programs whose users may choose another `service.name`."""

UNKNOWN = Source()


def source_of(service: str) -> Source:
    return _first_match(SOURCES, service)


def source_of_scope(name: str) -> Source:
    return _first_match(SCOPES, name)


def _first_match(sources: Mapping[str, Source], name: str) -> Source:
    name = name.lower()  # As of "Codex Desktop".
    return next((s for pattern, s in sources.items() if fnmatchcase(name, pattern)), UNKNOWN)
