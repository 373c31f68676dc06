"""What is known of the programs that send their telemetry, as data.

Taken from what they sent: claude 2.1.330, codex 0.169.0, opencode 1.18.33.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from storage.model.span import Span


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sender:
    """A program by its `service.name`.

    `kept` are patterns of the span names worth keeping, where most are noise; empty keeps all.
    Of those in `kept_with_tokens`, only spans that tell tokens are.
    `noise` are patterns of attributes, log records and metrics that are left out.
    `renamed` are its own names for what the conventions have a name for.
    """

    agent: str | None = None
    kept: tuple[str, ...] = ()
    kept_with_tokens: frozenset[str] = frozenset()
    noise: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    cache_apart: bool = False
    """Whether its input tokens are those beside the cached ones, rather than all of them."""

    def keeps(self, span: Span) -> bool:
        if span.name in self.kept_with_tokens and span.output_tokens is None:
            return False
        return not self.kept or any(fnmatchcase(span.name, pattern) for pattern in self.kept)

    def is_noise(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self.noise)


CLAUDE = Sender(
    agent="claude",
    renamed={
        "input_tokens": "gen_ai.usage.input_tokens",
        "output_tokens": "gen_ai.usage.output_tokens",
        "cache_read_tokens": "gen_ai.usage.cache_read.input_tokens",
        "cache_creation_tokens": "gen_ai.usage.cache_write.input_tokens",
        "model": "gen_ai.request.model",
        "tool_name": "gen_ai.tool.name",
    },
    cache_apart=True,
)
CODEX = Sender(
    agent="codex",
    # One prompt is 400 to 600 spans of its inner workings.
    kept=("session_task.turn", "handle_responses", "mcp.tools.call"),
    kept_with_tokens=frozenset({"handle_responses"}),
    noise=(
        *("code.*", "thread.*", "target", "busy_ns", "idle_ns"),
        *("codex.sse_event*", "codex.startup*", "codex.auth*", "codex.skills.*", "codex.plugins.*"),
        *("codex.sqlite.*", "codex.db.*", "codex.rollout*", "codex.thread*", "codex.process.*"),
        *("codex.shell_snapshot*", "codex.cloud_config_bundle.*", "flushing OTEL metrics"),
    ),
    renamed={"model": "gen_ai.request.model"},
)
OPENCODE = Sender(
    agent="opencode", kept=("ai.*", "Tool.execute"), noise=("ai.settings.*", "ai.request.headers.*")
)

SENDERS: Mapping[str, Sender] = {
    "claude-code": CLAUDE,
    "codex*": CODEX,
    "opencode*": OPENCODE,
    "gemini-cli": Sender(agent="gemini"),
    "github-copilot*": Sender(agent="copilot"),
    "copilot*": Sender(agent="copilot"),
}
"""Patterns of `service.name`; the first that fits."""

UNKNOWN = Sender()


def sender_of(service: str) -> Sender:
    return next((s for pattern, s in SENDERS.items() if fnmatchcase(service, pattern)), UNKNOWN)
