"""The figures that statistics keep of platforms, agents and providers, with their units.

A figure is a rollup whose `traces` counts observations and whose `latency` has their values, in
the unit of its kind. `errors` counts those observations of which also holds what `marked` says.
This table is the only place that tells what is stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Unit = Literal["ns", "messages", "files", "tokens", "agents"]

FIGURE, COMMAND, TOOL = "figure", "command", "tool"
"""The dimensions. Keys of the first are those of `KINDS`, with a name in the place of `*`; those
of the others are names of programs and of tools, of which there may be any number."""

DAILY = frozenset((FIGURE, COMMAND, TOOL))
"""They have no rollups by hour, which would be most of what figures cost."""


@dataclass(frozen=True, slots=True)
class Kind:
    """The name of an observation, the unit of its values if it has any, and what marks it."""

    name: str
    unit: Unit | None = None
    marked: str = ""


KINDS: Mapping[str, Kind] = {
    "slack:thread_length": Kind("thread length", "messages", "known already"),
    "slack:first_word": Kind("time to first word", "ns"),
    "slack:answer": Kind("time to answer", "ns"),
    "slack:files": Kind("files of a question", "files", "some refused"),
    "slack:reaction": Kind("reactions of people", None, "taken back"),
    "slack:speaker_changed": Kind("changes of active speaker"),
    "slack:skipped:*": Kind("skipped: *"),
    "cli:query": Kind("agents of a query", "agents", "in parallel"),
    "cli:command:*": Kind("command *", "ns", "failed"),
    "mcp:tool:*": Kind("tool *", "ns", "failed"),
    "agent:*:context": Kind("context of a turn", "tokens", "of it from the cache"),
    "agent:*:took_over": Kind("took over as active speaker"),
    "provider:*:model:*": Kind("attempts with *", None, "as fallback"),
}
"""Key → kind. The values of `slack:first_word` and `slack:answer` begin when the message arrives.

Two are other rollups: `slack:skipped:*` are those of decisions, and `agent:*:context` the tokens of
an agent, of which the mean and the share are known.
"""


def kind_of(key: str) -> tuple[Kind, str, str]:
    """Return a figure's kind, what it is of (a platform, an agent, a provider), and its name.

    >>> kind_of("provider:openai:model:qwen3:8b")[1:]
    ('openai', 'qwen3:8b')
    """
    source, _, rest = key.partition(":")
    group, starred = source, source
    if source in ("agent", "provider"):
        group, _, rest = rest.partition(":")
        starred = f"{source}:*"
    what, _, name = rest.partition(":")
    named = f"{starred}:{what}:*"
    return (KINDS[named] if named in KINDS else KINDS[f"{starred}:{what}"]), group, name
