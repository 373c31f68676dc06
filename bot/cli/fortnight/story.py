"""The values of which a story consists. Times are seconds since its beginning."""

from dataclasses import dataclass
from typing import Literal

Ending = Literal["answer", "overloaded", "crash", "timeout"]

DAY = 86_400

TIMEOUT_S = 300
"""How long an agent of the story may work."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tool:
    """The use of a tool by an agent. `about` is what it works on: a command, a path, a query."""

    name: str
    about: str
    seconds: float
    output: str = ""
    failed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """The work of a program that is asked.

    Its first output comes after `first_s`: what it thinks `aloud`, a tool or the beginning of the
    answer. Tools follow each other, and `writing_s` after the last of them it ends. `input_tokens`
    include the cached ones. `cost` is what the program reports, in micro-dollars; None if it does
    not.
    """

    program: str
    model: str
    first_s: float
    aloud: str = ""
    tools: tuple[Tool, ...] = ()
    writing_s: float = 0.0
    ending: Ending = "answer"
    text: str = ""
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    cost: int | None = None

    @property
    def seconds(self) -> float:
        if self.ending == "timeout":
            return TIMEOUT_S
        return self.first_s + sum(tool.seconds for tool in self.tools) + self.writing_s


@dataclass(frozen=True, kw_only=True, slots=True)
class Thumb:
    """A person's rating of an answer: by a button below it, with a reason, or by a reaction."""

    person: str
    up: bool
    reason: str = ""
    button: bool = False
    taken_back: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """A question to an agent, and the work of its programs on it.

    The last of the `attempts` decides how it ends; those before fail, and the agent's next program
    is asked. If it `follows`, it is a reply in the thread of the question before it.
    """

    at: float
    person: str
    channel: str
    text: str
    agent: str
    attempts: tuple[Attempt, ...]
    follows: bool = False
    thumb: Thumb | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Talk:
    """A message among people, which the bot leaves alone."""

    at: float
    person: str
    channel: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """A `/trace` command that somebody types."""

    at: float
    person: str
    channel: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ShellRun:
    """A command that `tracebot run` runs in a shell."""

    at: float
    command: tuple[str, ...]
    seconds: float
    exit_code: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class McpCall:
    """A call of a tool of an MCP server, which records it itself, and how much it found."""

    at: float
    tool: str
    seconds: float
    found: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Minutes:
    """Minutes in which the bot looks after its alerts, budgets and digests."""

    at: float
    count: int = 1


Event = Question | Talk | Order | ShellRun | McpCall | Minutes


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Somebody in the workspace."""

    name: str
    zone: str
    admin: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A channel with its members."""

    name: str
    members: tuple[str, ...]
    private: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Story:
    """Events in their order. `begins_at` is in nanoseconds since the epoch."""

    begins_at: int
    people: tuple[Person, ...]
    channels: tuple[Place, ...]
    events: tuple[Event, ...]
