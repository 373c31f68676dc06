"""The values that agents are asked and answer with, and the protocol of a provider."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from bot.agents.cancellation import Cancellation

Mode = Literal["query", "execute"]
"""`query` only reads; `execute` may change files."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryMessage:
    """One earlier message of the thread."""

    author: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """What arrives while an agent works.

    `text` is a further piece of the answer, `tool` a tool it began to use, in a few words.
    `restart` says that another provider begins, and what came before is not part of the answer.
    """

    text: str = ""
    tool: str | None = None
    restart: bool = False


def _unheard(progress: Progress) -> None:
    """Nobody listens."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One question with all that an agent may know of where it was asked.

    `instructions` are the agent's own: who it is to be. They come before all else.
    `traceparent` is the W3C header of the attempt's span: what the agent records hangs under it,
    and `collector` is the base URL that it may send OTLP to, None where nobody listens.
    `on_progress` is called on the thread that asks, before `answer` returns.
    """

    prompt: str
    mode: Mode = "query"
    instructions: str = ""
    history: tuple[HistoryMessage, ...] = ()
    files: tuple[Path, ...] = ()
    platform: str = "slack"
    channel: str | None = None
    thread_ts: str | None = None
    traceparent: str | None = None
    collector: str | None = None
    cancellation: Cancellation = field(default_factory=Cancellation)
    on_progress: Callable[[Progress], object] = _unheard


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """An answer, and what is known of how it came about; None is unknown, never zero.

    `input_tokens` include the cached ones. `cost` is in micro-dollars; `cost_source` is
    `reported` or `estimated`. `first_output_ns` is the time from the start to the first output.
    `api` is the base URL of the API that answered, where we spoke to it ourselves.
    """

    text: str
    provider: str
    api: str | None = None
    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cost: int | None = None
    cost_source: str | None = None
    turns: int | None = None
    tool_calls: int | None = None
    first_output_ns: int | None = None
    stop_reason: str | None = None
    response_id: str | None = None
    session_id: str | None = None
    exit_code: int | None = None


class Provider(Protocol):
    """Someone who answers: a program or a model. May be asked from several threads at once."""

    @property
    def name(self) -> str:
        """Its kind: `claude`, `openai`, `command`, …; the reply says who really answered."""

    @property
    def model(self) -> str | None:
        """The model of the agents file; the reply says which one it really was."""

    def answer(self, request: Request) -> Reply:
        """Answer, or raise `AgentError`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Agent:
    """A name of the agents file, and who answers under it: the first of `providers` that can.

    `mode` is the most that a request can ask of it, and `instructions` stand before its prompts.
    """

    name: str
    mode: Mode = "query"
    instructions: str = ""
    providers: tuple[Provider, ...]
