"""One question to a model behind HTTP: its attempts, its streamed answer, and what went wrong."""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from ssl import SSLContext

import httpx

from bot.agents.errors import AgentCrashed, AgentError, AgentNotFound, AgentTimeout
from bot.agents.models import errors as problems
from bot.agents.models.api import ModelAnswer, ModelApi, ModelRequest
from bot.agents.models.conversation import conversation
from bot.agents.models.errors import ReportedError
from bot.agents.models.sse import EventStreamReader, EventTooLarge
from bot.agents.types import Progress, Reply, Request
from bot.retry import RetryPolicy, TryAgain

RETRIES = RetryPolicy(attempts=3, first_wait_s=0.5)

MAX_WAIT_S = 60.0
"""The longest wait between two attempts: if a server asks for more, its error is reported."""

TIMEOUT_S = 600.0
CONNECT_S = 10.0
MAX_ANSWER = 1_000_000
"""Characters; a longer answer is cut."""

MAX_STREAM = 64_000_000
"""Bytes of a whole stream, what is no text included."""

MAX_ERROR = 65_536
HINTS: Mapping[str, str] = {
    "authentication": "see that {key} holds a valid key",
    "quota": "wait, or raise the account's limits",
    "not_found": "see model and base_url in the agents file",
}
REDIRECT = "a redirect, which is not followed with a key: set base_url to the final address"
LONGER = "[The answer was longer and is cut here.]"


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """What is asked, where and how; `key` is shown to `base_url` and to nobody else.

    `timeout_s` is for all attempts together.
    """

    agent: str
    dialect: ModelApi
    model: str
    base_url: str
    key_variable: str | None = None
    key: str | None = field(default=None, repr=False)
    max_tokens: int | None = None
    temperature: float | None = None
    timeout_s: float = TIMEOUT_S
    retries: RetryPolicy = RETRIES


class ModelCall:
    """One question, from its first attempt to its answer."""

    def __init__(self, endpoint: Endpoint, request: Request) -> None:
        self._endpoint = endpoint
        self._request = request
        self._answer = ModelAnswer()
        self._started = time.monotonic_ns()
        self._first_output_ns: int | None = None

    async def reply(self) -> Reply:
        """Raises `AgentError`."""
        try:
            async with asyncio.timeout(self._endpoint.timeout_s) as deadline:
                await self._ask_again_and_again(until=deadline.when() or 0.0)
        except TimeoutError:
            raise AgentTimeout(
                f"{self._endpoint.agent} did not answer within {self._endpoint.timeout_s:g} s: "
                "give it more time in the agents file, or ask for less.",
                partial=self.partial(),
            ) from None
        return self._reply()

    def partial(self) -> Reply | None:
        """What came so far, where anything did."""
        told = self._answer
        return self._told() if told.length or told.input_tokens is not None else None

    async def _ask_again_and_again(self, *, until: float) -> None:
        body = json.dumps(self._body()).encode()
        async with self._client() as http:
            for attempt in count(1):
                self._answer = ModelAnswer()
                try:
                    await self._ask(http, body)
                    break
                except TryAgain as again:
                    # Once a part of the answer is shown, another attempt would show it twice.
                    if self._answer.length:
                        raise again.error from again
                    left = min(until - asyncio.get_running_loop().time(), MAX_WAIT_S)
                    wait = self._endpoint.retries.wait_after(
                        attempt, asked_s=again.wait_s, left_s=left
                    )
                    if wait is None:
                        raise again.error from again
                    await asyncio.sleep(wait)

    def _client(self) -> httpx.AsyncClient:
        try:
            return httpx.AsyncClient(
                verify=_tls(),
                # A proxy tunnels https; to http, such as a local model's, it would see the key.
                trust_env=self._endpoint.base_url.startswith("https:"),
                timeout=httpx.Timeout(None, connect=CONNECT_S),
            )
        except (ImportError, ValueError, httpx.InvalidURL) as error:
            raise AgentError(
                "not_started",
                f"{self._endpoint.agent} cannot use the proxy that the environment names ({error}):"
                " set another in HTTPS_PROXY, or except the address with NO_PROXY.",
            ) from error

    def _body(self) -> dict[str, object]:
        endpoint = self._endpoint
        return endpoint.dialect.body(
            ModelRequest(
                turns=conversation(self._request, agent=endpoint.agent),
                model=endpoint.model,
                official=endpoint.base_url == endpoint.dialect.base_url,
                instructions=self._request.instructions.strip(),
                max_tokens=endpoint.max_tokens,
                temperature=endpoint.temperature,
            )
        )

    def _headers(self) -> dict[str, str]:
        headers = {
            **self._endpoint.dialect.headers,
            "Content-Type": "application/json",
            "Accept": "text/event-stream",
            # Compressed, a small answer could fill the memory before its size is seen.
            "Accept-Encoding": "identity",
            "User-Agent": "tracebot",
        }
        if self._endpoint.key is not None:
            headers |= self._endpoint.dialect.key_headers(self._endpoint.key)
        if self._request.traceparent is not None:
            headers["traceparent"] = self._request.traceparent
        return headers

    async def _ask(self, http: httpx.AsyncClient, body: bytes) -> None:
        """One attempt. Raises `TryAgain` if another may succeed, else `AgentError`."""
        url = self._endpoint.base_url + self._endpoint.dialect.path
        try:
            async with http.stream("POST", url, content=body, headers=self._headers()) as response:
                await self._check(response)
                await self._read(response)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
            raise TryAgain(self._unreachable(error)) from error
        except httpx.TransportError as error:
            raise TryAgain(
                self._crash("closed the connection before its answer was whole")
            ) from error
        if not self._answer.ended and self._answer.stop_reason is None:
            raise TryAgain(self._crash("stopped in the middle of its answer"))

    async def _check(self, response: httpx.Response) -> None:
        """Whether this is the beginning of an answer."""
        if response.is_redirect:
            raise self._crash(f"answered with {REDIRECT}")
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise self._crash("sent a compressed answer, which was not asked for")
        if response.status_code != 200:
            said = await _beginning(response)
            raise self._failed(problems.of_response(response.status_code, response.headers, said))
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "text/event-stream":
            shown = kind if kind.isprintable() else "?"
            raise self._crash(
                f"sent {shown[:80] or 'something'} and no stream of events: see base_url in the "
                "agents file"
            )

    async def _read(self, response: httpx.Response) -> None:
        reader, size = EventStreamReader(), 0
        async for piece in response.aiter_raw():
            size += len(piece)
            if size > MAX_STREAM:
                raise self._crash(f"sent more than {MAX_STREAM:,} bytes and was stopped")
            try:
                for data in reader.feed(piece):
                    self._take(data)
                    if self._answer.ended:
                        return
            except EventTooLarge as error:
                raise self._crash(f"sent {error}") from None

    def _take(self, data: str) -> None:
        if data == "[DONE]":
            self._answer.ended = True
            return
        try:
            event = json.loads(data)
        except (ValueError, RecursionError):
            event = None
        if not isinstance(event, dict):
            raise self._crash("sent an event that is no JSON object")
        if problem := problems.in_event(event):
            raise self._failed(problem)
        if piece := self._endpoint.dialect.read(event, self._answer):
            self._add(piece)

    def _add(self, piece: str) -> None:
        answer = self._answer
        if self._first_output_ns is None:
            self._first_output_ns = time.monotonic_ns() - self._started
        piece = piece[: MAX_ANSWER - answer.length]
        answer.text.append(piece)
        answer.length += len(piece)
        self._request.on_progress(Progress(text=piece))
        if answer.length >= MAX_ANSWER:
            answer.stop_reason, answer.ended = self._endpoint.dialect.cut_reasons[0], True

    def _reply(self) -> Reply:
        reply = self._told()
        if self._answer.refused:
            raise AgentError(
                "refused",
                f"{self._endpoint.agent} refused to answer this: ask for something else.",
                partial=reply,
            )
        if not reply.text.strip():
            raise AgentError(
                "empty",
                f"{self._endpoint.agent} ended without an answer ({reply.stop_reason}).",
                partial=reply,
            )
        return reply

    def _told(self) -> Reply:
        told = self._answer
        text = "".join(told.text)
        if text and told.stop_reason in self._endpoint.dialect.cut_reasons:
            text += f"\n{LONGER}"
        return Reply(
            text=text,
            provider=self._endpoint.dialect.name,
            api=self._endpoint.base_url,
            model=told.model or self._endpoint.model,
            input_tokens=told.input_tokens,
            output_tokens=told.output_tokens,
            cached_tokens=told.cached_tokens,
            cost=told.cost,
            cost_source=None if told.cost is None else "reported",
            first_output_ns=self._first_output_ns,
            stop_reason=told.stop_reason,
            response_id=told.response_id,
        )

    # What went wrong, in one sentence that says what to do.

    def _failed(self, problem: ReportedError) -> Exception:
        endpoint = self._endpoint
        key = endpoint.key_variable or "api_key_env"
        hint = HINTS.get(problem.error_type, "").format(key=key)
        said = problem.said.replace(endpoint.key, "…") if endpoint.key else problem.said
        message = f"{endpoint.agent} got no answer from {endpoint.base_url} ({said})"
        message += f": {hint}." if hint else "."
        error: AgentError
        if problem.error_type == "timeout":
            error = AgentTimeout(message, partial=self.partial())
        else:
            error = AgentError(problem.error_type, message, partial=self.partial())
        return TryAgain(error, wait_s=problem.wait_s) if problem.again else error

    def _crash(self, what: str) -> AgentCrashed:
        message = f"{self._endpoint.agent} failed: {self._endpoint.base_url} {what}."
        return AgentCrashed(message, partial=self.partial())

    def _unreachable(self, error: Exception) -> AgentNotFound:
        hint = "see its scheme, and its certificate." if "SSL" in str(error) else "is it running?"
        return AgentNotFound(
            f"{self._endpoint.agent} cannot reach the server at {self._endpoint.base_url} "
            f"({str(error) or type(error).__name__}): {hint}"
        )


async def _beginning(response: httpx.Response) -> bytes:
    """Of an answer that says what is wrong."""
    said = b""
    async for piece in response.aiter_raw():
        said += piece
        if len(said) > MAX_ERROR:
            break
    return said[:MAX_ERROR]


@cache
def _tls() -> SSLContext:
    """Reading the certificates takes 20 ms."""
    return httpx.create_ssl_context()
