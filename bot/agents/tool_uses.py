"""Record the tools that an agent uses, as events of the span of its attempt."""

import time
from dataclasses import dataclass, replace

from bot.agents.types import Progress, Request, ToolStatus, ToolUse
from storage import ActiveSpan
from storage.model.semconv import EXECUTE_TOOL, TOOL_ARGUMENTS, TOOL_NAME

MOST = 128
"""How many of them are kept, the last ones: a span keeps as many events."""

SHORTEST_NS = 1_000_000
"""Some programs tell of a tool only once it has been used: then the duration is not known."""


@dataclass(frozen=True, slots=True)
class _Use:
    name: str
    arguments: str | None
    began_at: int
    began_ns: int
    duration_ns: int | None = None
    status: ToolStatus = "in_progress"


class ToolUses:
    """The tools in an agent's progress, which is passed on. Called on one thread at a time."""

    def __init__(self, request: Request) -> None:
        self._on_progress = request.on_progress
        self._captured = request.captured
        self._uses: dict[str, _Use] = {}

    def add(self, progress: Progress) -> None:
        if progress.tool is not None:
            self._note(progress.tool)
        self._on_progress(progress)

    def _note(self, tool: ToolUse) -> None:
        begun = self._uses.get(tool.id)
        if begun is not None:
            took = time.monotonic_ns() - begun.began_ns
            known = took if took >= SHORTEST_NS else None
            self._uses[tool.id] = replace(begun, duration_ns=known, status=tool.status)
        elif tool.title:
            name, _, what = tool.title.partition(": ")
            arguments = self._captured("\n".join(filter(None, (what, tool.details))))
            self._uses[tool.id] = _Use(name, arguments, time.time_ns(), time.monotonic_ns())
            if len(self._uses) > MOST:
                del self._uses[next(iter(self._uses))]

    def record(self, span: ActiveSpan) -> None:
        for use in self._uses.values():
            facts = {
                TOOL_NAME: use.name,
                TOOL_ARGUMENTS: use.arguments,
                "status": use.status,
                "duration_ns": use.duration_ns,
            }
            known = {name: value for name, value in facts.items() if value is not None}
            span.add_event(EXECUTE_TOOL, known, use.began_at)
