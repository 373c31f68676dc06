"""What model APIs have in common: a question, an answer that grows by events, and a dialect."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bot.agents.models.conversation import ChatMessage

Event = Mapping[str, object]


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelRequest:
    """What a model is asked, and how; None leaves it to the API.

    `official` is whether it is asked at the API's own address, not at one that imitates it.
    """

    turns: tuple[ChatMessage, ...]
    model: str
    official: bool = True
    instructions: str = ""
    max_tokens: int | None = None
    temperature: float | None = None


@dataclass(slots=True)
class ModelAnswer:
    """What a stream has told so far; None is unknown. `ended` is that nothing more will come."""

    text: list[str] = field(default_factory=list)
    length: int = 0
    model: str | None = None
    response_id: str | None = None
    stop_reason: str | None = None
    refused: bool = False
    ended: bool = False
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cost: int | None = None
    usage: dict[str, int] = field(default_factory=dict)
    """The API's own counts, where those above are made of several."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelApi:
    """How one kind of API is spoken to. `cut` are the stop reasons of an answer that had to end."""

    name: str
    base_url: str
    path: str
    key_variable: str
    headers: Mapping[str, str]
    key_headers: Callable[[str], Mapping[str, str]]
    """The headers that show a key."""
    body: Callable[[ModelRequest], dict[str, object]]
    read: Callable[[Event, ModelAnswer], str]
    """Take an event into the answer; the text that it adds."""
    cut_reasons: tuple[str, ...]


def mapping(value: object) -> Event:
    """What should be an object, whatever was sent."""
    return value if isinstance(value, dict) else {}


def text(value: object) -> str:
    """What should be a text, whatever was sent."""
    return value if isinstance(value, str) else ""


def name_or_id(value: object) -> str | None:
    """What should be a name or an id, whatever was sent."""
    return text(value)[:200] or None


def count(value: object) -> int | None:
    """What should be a number of tokens, whatever was sent."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < 2**53 else None
