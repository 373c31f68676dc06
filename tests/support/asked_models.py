"""Ask models over HTTP that do as a test says: both APIs, or OpenAI's."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from bot.agents.errors import AgentError
from bot.agents.models.api import Endpoint
from bot.agents.models.provider import APIS, HttpProvider
from bot.agents.types import Reply, Request
from bot.retry import RetryPolicy
from tests.support.model_server import KEY, ModelServer, Step

MODELS = {"openai": "gpt-5-mini", "anthropic": "claude-sonnet-4-5"}


@pytest.fixture(params=["openai", "anthropic"])
def server(request: pytest.FixtureRequest) -> Iterator[ModelServer]:
    with ModelServer(request.param, KEY).serving() as running:
        yield running
        assert running.complaints == []


@pytest.fixture
def openai() -> Iterator[ModelServer]:
    with ModelServer("openai", KEY).serving() as running:
        yield running
        assert running.complaints == []


def model(server: ModelServer, **changes: Any) -> HttpProvider:
    endpoint = Endpoint(
        agent="helper",
        api=APIS[server.dialect],
        model=MODELS[server.dialect],
        base_url=server.url,
        key_variable="THE_KEY" if server.key else None,
        key=server.key,
        timeout_s=30.0,
        retries=RetryPolicy(attempts=3, first_wait_s=0.01),
    )
    return HttpProvider(endpoint=replace(endpoint, **changes))


def ask(server: ModelServer, request: Request | None = None, **changes: Any) -> Reply:
    return model(server, **changes).answer(request or Request(prompt="why?"))


def failure(server: ModelServer, request: Request | None = None, **changes: Any) -> AgentError:
    """Return the error of an answer. It is one line, and never has the key."""
    with pytest.raises(AgentError) as caught:
        ask(server, request, **changes)
    assert "\n" not in caught.value.message
    assert KEY not in f"{caught.value.message}{caught.value!r}{caught.value.partial}"
    return caught.value


def raw(data: bytes, *, kind: str = "text/event-stream", **headers: str) -> Step:
    return lambda exchange: exchange.start(kind=kind, **headers).send(data)


def stream_of(*events: Any) -> Step:
    return lambda exchange: exchange.start().events(*events)
