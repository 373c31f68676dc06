"""The figures that statistics keep of platforms, agents and providers, with their units.

A figure is a rollup whose `traces` counts observations and whose `latency` has their values, in
the unit of its kind. `errors` counts the observations that are marked, such as failed commands.
`KINDS` is the only list of what is stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Unit = Literal["ns", "messages", "files", "tokens", "agents"]

FIGURE, COMMAND, TOOL = "figure", "command", "tool"
"""The dimensions. Keys of the first are those of `KINDS`, with a name in place of `*`; keys of
the others are names of programs and of tools, of which there may be any number."""

DAILY = frozenset((FIGURE, COMMAND, TOOL))
"""Dimensions without rollups by hour, which would take most of the space of figures."""


@dataclass(frozen=True, slots=True)
class Kind:
    """The name of an observation, the unit of its values if it has any, and what a mark means."""

    name: str
    unit: Unit | None = None
    marked: str = ""


KINDS: Mapping[str, Kind] = {
    "slack:thread_length": Kind("thread length", "messages", "known already"),
    "slack:first_word": Kind("time to first word", "ns"),
    "slack:answer": Kind("time to answer", "ns"),
    "slack:files": Kind("files", "files", "with some refused"),
    "slack:reaction": Kind("reactions of people", None, "taken back"),
    "slack:speaker_changed": Kind("speaker changes"),
    "slack:skipped:*": Kind("skipped: *"),
    "cli:query": Kind("agents of a query", "agents", "in parallel"),
    "cli:command:*": Kind("command *", "ns", "failed"),
    "mcp:tool:*": Kind("tool *", "ns", "failed"),
    "agent:*:context": Kind("context", "tokens", "of it from the cache"),
    "agent:*:took_over": Kind("took over a thread"),
    "provider:*:model:*": Kind("model *", None, "as fallback"),
}
"""Key → kind. The values of `slack:first_word` and `slack:answer` begin when the message arrives.

Two are derived from other rollups: `slack:skipped:*` from those of decisions, and
`agent:*:context` from the tokens of an agent, of which only the mean and the share are known.
"""


def kind_of(key: str) -> tuple[Kind, str, str]:
    """Return a figure's kind, its platform, agent or provider, and its name.

    >>> kind_of("provider:openai:model:qwen3:8b")[1:]
    ('openai', 'qwen3:8b')
    """
    source, _, rest = key.partition(":")
    # Programs that record may name agents and providers as they like, also with colons.
    if source == "provider":
        group, _, name = rest.partition(":model:")
        return KINDS["provider:*:model:*"], group, name
    if source == "agent":
        group, _, what = rest.rpartition(":")
        return KINDS[f"agent:*:{what}"], group, ""
    what, _, name = rest.partition(":")
    return KINDS.get(f"{source}:{what}:*") or KINDS[f"{source}:{what}"], source, name
