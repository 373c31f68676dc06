"""What the bot asks an agent, what it hears back, and why it may hear nothing.

AgentError
├── AgentNotFound   "not_found": the program, or the folder it is to work in, is not there
├── AgentTimeout    "timeout": it did not end within its time
└── AgentCrashed    "crash": it ended badly
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

Mode = Literal["query", "execute"]
"""`query` only reads; `execute` may change files."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryMessage:
    """One earlier message of the thread."""

    author: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One question with all that an agent may know of where it was asked.

    `traceparent` is the W3C header of the attempt's span: what the agent records hangs under it.
    """

    prompt: str
    mode: Mode = "query"
    history: tuple[HistoryMessage, ...] = ()
    files: tuple[Path, ...] = ()
    platform: str = "slack"
    channel: str | None = None
    thread_ts: str | None = None
    traceparent: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """An answer, and what is known of how it came about; None is unknown, never zero.

    `cost` is in micro-dollars; `cost_source` is `reported` or `estimated`.
    """

    text: str
    provider: str
    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cost: int | None = None
    cost_source: str | None = None
    session_id: str | None = None
    exit_code: int | None = None


class Agent(Protocol):
    """Someone who answers. May be asked from several threads at once."""

    @property
    def name(self) -> str: ...

    @property
    def provider(self) -> str:
        """Who is configured to answer; the reply says who did."""

    @property
    def mode(self) -> Mode: ...

    def answer(self, request: Request) -> Reply:
        """Answer, or raise `AgentError`."""


class AgentError(Exception):
    """The agent gave no answer; the message says what would help.

    `stderr` is the end of what it said there: it may hold secrets, so it is for redacted records.
    """

    def __init__(
        self, error_type: str, message: str, *, exit_code: int | None = None, stderr: str = ""
    ) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.message = message
        self.exit_code = exit_code
        self.stderr = stderr


class AgentNotFound(AgentError):
    """The program, or the folder it is to work in, is not there."""

    def __init__(self, message: str) -> None:
        super().__init__("not_found", message)


class AgentTimeout(AgentError):
    """The agent did not end within its time, and was stopped."""

    def __init__(self, message: str, *, stderr: str = "") -> None:
        super().__init__("timeout", message, stderr=stderr)


class AgentCrashed(AgentError):
    """The agent ended badly."""

    def __init__(self, message: str, *, exit_code: int | None = None, stderr: str = "") -> None:
        super().__init__("crash", message, exit_code=exit_code, stderr=stderr)
