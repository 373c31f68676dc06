"""A provider whose answer a test directs step by step, like an agent that works for a while."""

import queue
import threading
from collections.abc import Callable, Mapping
from typing import Any

from bot.agents.config.roster import Roster, RosterContents
from bot.agents.errors import AgentCancelled, AgentError
from bot.agents.types import Agent, Progress, Reply, Request, ToolStatus, ToolUse

PATIENCE_S = 30.0

Step = Callable[[Request], Reply | None]


class Scripted:
    """Answers each question with the following steps until one of them ends it."""

    model = None

    def __init__(self, name: str = "scripted") -> None:
        self.name = name
        self.requests: list[Request] = []
        self.asked = threading.Semaphore(0)
        self._steps: queue.Queue[Step] = queue.Queue()
        self._tools = 0

    def say(self, text: str) -> None:
        self._steps.put(lambda request: request.on_progress(Progress(text=text)) and None)

    def use(self, title: str, *, details: str = "") -> None:
        """Begin to use a tool."""
        self._tools += 1
        self._tell(ToolUse(id=str(self._tools), title=title, details=details))

    def used(self, output: str = "", *, failed: bool = False) -> None:
        """End the use of the tool that was begun last."""
        status: ToolStatus = "error" if failed else "complete"
        self._tell(ToolUse(id=str(self._tools), output=output, status=status))

    def _tell(self, tool: ToolUse) -> None:
        self._steps.put(lambda request: request.on_progress(Progress(tool=tool)) and None)

    def end(self, text: str, **figures: Any) -> None:
        """Answer; *figures* are further fields of the reply, such as its tokens."""
        self._steps.put(lambda request: Reply(text=text, provider=self.name, **figures))

    def fail(self, error: Exception) -> None:
        def step(request: Request) -> Reply:
            raise error

        self._steps.put(step)

    def wait_until_asked(self) -> None:
        assert self.asked.acquire(timeout=PATIENCE_S), "nobody asked"

    def answer(self, request: Request) -> Reply:
        self.requests.append(request)
        self.asked.release()
        with request.cancellation.watch(lambda: self._steps.put(_stop)):
            while True:
                if (reply := self._steps.get(timeout=PATIENCE_S)(request)) is not None:
                    return reply


def _stop(request: Request) -> Reply:
    raise AgentCancelled(str(request.cancellation.by))


def roster_of(*providers: Scripted, default: str = "") -> Roster:
    """Return a roster with one agent per provider, under its name."""
    return roster_with(
        {each.name: Agent(name=each.name, providers=(each,)) for each in providers},
        default=default or providers[0].name,
    )


def roster_with(agents: Mapping[str, Agent], *, default: str) -> Roster:
    contents = RosterContents(agents=agents, default=default, channels={})
    return Roster(lambda: contents)


def crashed(text: str = "it broke") -> AgentError:
    return AgentError("crash", text)
