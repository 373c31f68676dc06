"""The draft of a reply: what its agent has said and done so far."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from bot.agents.types import Progress, ToolUse
from bot.replies.timeline import shown

MOST_TOOLS = 1_000
"""Uses of tools that one reply shows: an agent may report a million of them."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The text of an agent so far, and the tools that it used, the newest last.

    `restarts` counts the providers that gave up: what they said is not part of the draft.
    """

    text: str = ""
    tools: tuple[ToolUse, ...] = ()
    restarts: int = 0


class GrowingDraft:
    """Collects what an agent reports, on its own thread; may be read from any thread.

    `clean` takes out of a tool's texts what nobody may see.
    """

    def __init__(self, clean: Callable[[str], str]) -> None:
        self._clean = clean
        # Pieces rather than one string: there may be thousands, and each would copy all before it.
        self._text: list[str] = []
        self._tools: dict[str, ToolUse] = {}
        self._restarts = 0
        self._tool_since_text = False
        self._lock = threading.Lock()

    def add(self, progress: Progress) -> None:
        """Add a report. Text after a tool begins a paragraph."""
        tool = None if progress.tool is None else shown(progress.tool, self._clean)
        with self._lock:
            if progress.restart:
                self._text, self._tools, self._tool_since_text = [], {}, False
                self._restarts += 1
            if tool is not None:
                self._add_tool(tool)
            if progress.text:
                gap = ["\n\n"] if self._tool_since_text else []
                self._text += [*gap, progress.text]
                self._tool_since_text = False

    def _add_tool(self, tool: ToolUse) -> None:
        known = self._tools.get(tool.id)
        if known is not None:
            known = replace(known, output=tool.output or known.output, status=tool.status)
            self._tools[tool.id] = known
        elif tool.title:
            # The newest one takes the place of the last if there are too many.
            if len(self._tools) == MOST_TOOLS:
                self._tools.popitem()
            self._tools[tool.id] = tool
            self._tool_since_text = bool(self._text)

    def read(self) -> Draft:
        """Return the draft as it is now."""
        with self._lock:
            return Draft("".join(self._text), tuple(self._tools.values()), self._restarts)
