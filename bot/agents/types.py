"""The values that agents are asked and answer with, and the protocol of a provider."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Protocol

from bot.agents.cancellation import Cancellation

Mode = Literal["query", "execute"]
"""With `query` an agent only reads; with `execute` it may change files."""

AGENT_MARK = " (agent)"
"""Follows the name of an agent, so that nobody of the same name is taken for it."""

SessionUse = Literal["resume", "fresh"]
"""With `resume` an agent goes on with its session in a thread; with `fresh` it begins anew."""

DIRECT = "direct"
"""Stands for all direct messages in a list of channels."""

Allowed = bool | frozenset[str]
"""Everybody (or everywhere), nobody, or only these ids."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AccessRule:
    """The people who may ask an agent, and the channels where they may. Ids are Slack's.

    `people` and `groups` are those who may ask, `channels` where; None sets no limit. They only
    narrow: guests and strangers (people of other organisations) need `guests` and `strangers`, too.
    `workflows` are the bots of Workflow Builder, and of webhooks, that may ask.
    `shared_channels` are the channels that guests or strangers can read where the agent answers.
    None is everywhere for an agent with the mode `query`, and nowhere with `execute`.
    """

    people: frozenset[str] | None = None
    groups: frozenset[str] | None = None
    channels: frozenset[str] | None = None
    guests: Allowed = False
    strangers: Allowed = False
    workflows: Allowed = False
    shared_channels: Allowed | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryMessage:
    """An earlier message of the conversation.

    `author` is the name of a person, of another app, or of one of our agents if `agent` is True;
    people may call themselves like an agent. `ts` is Slack's time stamp of the message, the seconds
    since the epoch with six digits, by which a thread is in order; empty if there is none.
    `trace_id` is that of the turn which an agent of ours answered.
    """

    author: str
    text: str
    ts: str = ""
    agent: bool = False
    trace_id: str = ""

    @property
    def line(self) -> str:
        """Return the message with who wrote it and when.

        Lines after the first are indented, whatever ends a line, so that none of them can pass for
        a message of another author. A colon in a name would let the rest of it pass for words.
        """
        when = f"[{time}] " if (time := time_of(self.ts)) else ""
        mark = AGENT_MARK if self.agent else ""
        who = f"{self.author.replace(':', ' ')}{mark}: " if self.author else ""
        return f"{when}{who}" + "\n    ".join(self.text.splitlines())


def time_of(ts: str) -> str:
    """Return the time of a Slack time stamp for people, to the minute; empty if it has none."""
    try:
        return f"{datetime.fromtimestamp(float(ts), UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError, OSError):
        return ""


ToolStatus = Literal["in_progress", "complete", "error"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolUse:
    """The use of a tool. A later report with the same `id` adds what is known by then.

    `title` is the tool and what it works on in a few words, `details` its arguments, and `output`
    the end of its result; each is empty if it is not known. All are without secrets.
    """

    id: str
    title: str = ""
    details: str = ""
    output: str = ""
    status: ToolStatus = "in_progress"


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """One step of an agent at work.

    `text` is the next piece of the answer, `tool` a tool that it starts to use or has used.
    `restart` means that the next provider starts, and that earlier pieces are not part of the
    answer.
    """

    text: str = ""
    tool: ToolUse | None = None
    restart: bool = False


def _ignore(progress: Progress) -> None:
    """Do nothing with it."""


def _nothing(text: str) -> None:
    """Record no text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ThreadState:
    """The thread of a question, as far as an agent's session depends on it.

    `fingerprint` takes a time stamp and returns a text that changes if a message up to that time is
    edited or deleted.
    """

    team: str
    fingerprint: Callable[[str], str]


TOKENS = ("input_tokens", "output_tokens", "cached_tokens")
"""The figures that a session adds up."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """A session of a program with which it goes on, and the tokens that it has used so far."""

    id: str
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """A question, and what an agent may know about where it was asked.

    `author` is the name of the person who asks, and `ts` the time stamp of their message; both are
    empty if nobody knows. `file_names` are the names that people gave the `files`, by the names
    that these have on disk.
    `instructions` are the agent's own, such as its role; they come before everything else.
    `traceparent` is the W3C header of the attempt's span, the parent of the spans that the agent
    records itself. `thread` is the thread whose sessions can be continued, None if there is none.
    With a `session`, `history` has only what is new since its last answer. `collector` is the base
    URL to which it may send OTLP; None if nothing receives it. `on_progress` is called on the
    asking thread, before `Provider.answer` returns. `captured` returns what may be recorded of a
    text of the agent, None for nothing.
    """

    prompt: str
    mode: Mode = "query"
    instructions: str = ""
    author: str = ""
    ts: str = ""
    history: tuple[HistoryMessage, ...] = ()
    files: tuple[Path, ...] = ()
    file_names: Mapping[str, str] = field(default_factory=dict)
    platform: str = "slack"
    channel: str | None = None
    thread_ts: str | None = None
    thread: ThreadState | None = None
    session: Session | None = None
    traceparent: str | None = None
    collector: str | None = None
    cancellation: Cancellation = field(default_factory=Cancellation)
    on_progress: Callable[[Progress], object] = _ignore
    captured: Callable[[str], str | None] = _nothing

    def name_of(self, file: Path) -> str:
        """Return the name by which people know one of the files."""
        return self.file_names.get(file.name, file.name)


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelUsage:
    """The tokens of one of the models that an answer took; `input_tokens` include the cached."""

    model: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """An agent's answer with its figures; None is unknown, never zero.

    `input_tokens` include those read from the cache (`cached_tokens`) and written to it. `cost` is
    in micro-dollars; `cost_source` is `reported` or `estimated`. `first_output_ns` is the time from
    the start to the first output, in nanoseconds. `api_url` is the base URL of the API that
    answered, None for a program. `models` are those whose tokens it tells apart.
    """

    text: str
    provider: str
    api_url: str | None = None
    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cost: int | None = None
    cost_source: str | None = None
    models: tuple[ModelUsage, ...] = ()
    turns: int | None = None
    tool_calls: int | None = None
    first_output_ns: int | None = None
    stop_reason: str | None = None
    response_id: str | None = None
    session_id: str | None = None
    exit_code: int | None = None

    def with_usage_of(self, other: "Reply") -> "Reply":
        """Add the tokens and the cost of an attempt that was given up, as far as they are known."""
        sums = {}
        for name in (*TOKENS, "cache_write_tokens", "cost"):
            known = [
                each for each in (getattr(self, name), getattr(other, name)) if each is not None
            ]
            if known:
                sums[name] = sum(known)
        return replace(self, **sums, cost_source=self.cost_source or other.cost_source)


class Provider(Protocol):
    """A program or a model that answers. It may be asked from several threads at once."""

    @property
    def name(self) -> str:
        """Return its kind, such as `claude`, `openai` or `command`."""

    @property
    def model(self) -> str | None:
        """Return the model of the agents file; a reply has the model that really answered."""

    def answer(self, request: Request) -> Reply:
        """Return the answer, or raise `AgentError`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Agent:
    """An agent of the agents file. The first of its `providers` that can answer does.

    `mode` is the most that a request may ask of it; `instructions` come before each prompt.
    """

    name: str
    mode: Mode = "query"
    instructions: str = ""
    access: AccessRule = AccessRule()
    providers: tuple[Provider, ...]

    @property
    def shared_channels(self) -> Allowed:
        """Return where it answers among the channels that guests or strangers can read."""
        chosen = self.access.shared_channels
        return self.mode == "query" if chosen is None else chosen
