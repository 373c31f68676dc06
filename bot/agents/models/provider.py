"""A model behind HTTP: one question, one streamed answer.

httpx and 300 lines instead of the official clients: `openai` and `anthropic` take 0.6 and 1.4
seconds to import and 30 MB each, and what they would bring (typed answers, tools, pagination) is
not asked for here. Their manners are kept: the same headers, two further attempts at what may be
over soon, `Retry-After`, no second attempt once the answer has begun.

Each question has an event loop and a connection of its own, on the thread that asks: a deadline
and a cancellation then end it wherever it waits, be it for a name, a connection or a word.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

import httpx

from bot.agents.config.toml_section import Section
from bot.agents.models.anthropic import ANTHROPIC
from bot.agents.models.api import Dialect
from bot.agents.models.call import TIMEOUT_S, Call, Endpoint
from bot.agents.models.openai import OPENAI
from bot.agents.types import AgentCancelled, AgentError, Reply, Request

DIALECTS: Mapping[str, Dialect] = {"openai": OPENAI, "anthropic": ANTHROPIC}


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpModel:
    """A provider that asks the model of an HTTP API."""

    endpoint: Endpoint

    @property
    def name(self) -> str:
        return self.endpoint.dialect.name

    @property
    def model(self) -> str:
        return self.endpoint.model

    def answer(self, request: Request) -> Reply:
        self._check_key()
        call = Call(self.endpoint, request)
        loop = asyncio.new_event_loop()
        task = loop.create_task(call.reply())
        try:
            with request.cancellation.watch(lambda: loop.call_soon_threadsafe(task.cancel)):
                return loop.run_until_complete(task)
        except asyncio.CancelledError:
            by = request.cancellation.by or "shutdown"
            raise AgentCancelled(by, partial=call.partial()) from None
        finally:
            # An interrupt from the keyboard leaves the task in the middle.
            task.cancel()
            loop.run_until_complete(asyncio.wait([task]))
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    def _check_key(self) -> None:
        variable = self.endpoint.key_variable
        if variable is not None and self.endpoint.key is None:
            raise AgentError(
                "authentication",
                f"{self.endpoint.agent} needs a key in the variable {variable}, which was not set "
                "when tracebot started: set it, and start tracebot again.",
            )


def build(section: Section, agent: str, environ: Mapping[str, str], *, dialect: str) -> HttpModel:
    """The model of an agents file's table; its key is read from `environ` once, here."""
    spoken = DIALECTS[dialect]
    if "model" not in section.values:
        raise section.error("provider", 'model is missing: write model = "…"')
    endpoint = Endpoint(
        agent=agent,
        dialect=spoken,
        model=section.text("model", ""),
        base_url=_base_url(section, spoken.base_url),
        max_tokens=section.integer("max_tokens"),
        temperature=section.number("temperature", most=2),
        timeout_s=section.seconds("timeout", TIMEOUT_S),
    )
    variable = _key_variable(section, endpoint)
    if variable is None:
        return HttpModel(endpoint=endpoint)
    key = environ.get(variable, "").strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise section.error("api_key_env", f"what {variable} holds is no key: it has a space in it")
    return HttpModel(endpoint=replace(endpoint, key_variable=variable, key=key or None))


def _key_variable(section: Section, endpoint: Endpoint) -> str | None:
    """A server of one's own gets no key unless one is named for it."""
    if "api_key_env" in section.values:
        return section.text("api_key_env", "")
    official = endpoint.base_url == endpoint.dialect.base_url
    return endpoint.dialect.key_variable if official else None


def _base_url(section: Section, default: str) -> str:
    value = section.text("base_url", default).rstrip("/")
    try:
        url = httpx.URL(value)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise section.error("base_url", f'base_url is an address, such as "{default}"')
    if url.userinfo or url.query or url.fragment:
        raise section.error(
            "base_url", "base_url is an address alone: a key is named with api_key_env"
        )
    return value
