"""The common parts of model APIs: an endpoint, a request, an answer that grows event by event."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bot.agents.models.conversation import ChatMessage
from bot.retry import RetryPolicy
from storage.model.redaction import redacted_start

Event = Mapping[str, object]

TIMEOUT_S = 600.0
RETRIES = RetryPolicy(attempts=3, first_wait_s=0.5)


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelRequest:
    """A request to a model; None leaves a value to the API.

    `official` is True at the vendor's own address, False at a server that imitates the API.
    """

    messages: tuple[ChatMessage, ...]
    model: str
    official: bool = True
    instructions: str = ""
    max_tokens: int | None = None
    temperature: float | None = None


@dataclass(slots=True)
class ModelAnswer:
    """An answer so far; None is unknown. `ended` means that nothing follows.

    `cost` is in micro-dollars, `length` in characters. `usage` has the API's own counts if the
    tokens above are sums of several.
    """

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
    cache_write_tokens: int | None = None
    cost: int | None = None
    usage: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelApi:
    """One kind of API: its address, its headers, and how a request and its events are written.

    `key_headers` returns the headers that carry a key. `read` takes an event into the answer and
    returns the text that it adds. `cut_reasons` are the stop reasons of an answer that was cut.
    """

    name: str
    base_url: str
    path: str
    key_variable: str
    headers: Mapping[str, str]
    key_headers: Callable[[str], Mapping[str, str]]
    body: Callable[[ModelRequest], dict[str, object]]
    read: Callable[[Event, ModelAnswer], str]
    cut_reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """A model at an API. Its `key` is sent to `base_url` and nowhere else.

    `timeout_s` is for all attempts together.
    """

    agent: str
    api: ModelApi
    model: str
    base_url: str
    key_variable: str | None = None
    key: str | None = field(default=None, repr=False)
    max_tokens: int | None = None
    temperature: float | None = None
    timeout_s: float = TIMEOUT_S
    retries: RetryPolicy = RETRIES


# Servers that imitate an API send anything in place of anything.


def mapping(value: object) -> Event:
    """Return `value` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def text(value: object) -> str:
    """Return `value` if it is a text, else an empty one."""
    return value if isinstance(value, str) else ""


def name_or_id(value: object) -> str | None:
    """Return at most 200 characters of `value` if it is a text with any, else None."""
    return redacted_start(text(value), 200) or None


def count(value: object) -> int | None:
    """Return `value` if it can be a number of tokens, else None."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < 2**53 else None
