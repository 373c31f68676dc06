"""Ask a model behind HTTP: the attempts, their deadline, and the answer."""

import asyncio
import json
import logging
import re
import time
from collections.abc import Sequence
from functools import cache, reduce
from itertools import count
from ssl import SSLContext, SSLError

import httpx

from bot.agents.errors import OUTPUT_LIMIT, AgentError, AgentTimeout
from bot.agents.models.api import Endpoint, ModelRequest
from bot.agents.models.conversation import ChatMessage, conversation
from bot.agents.models.errors import ADVICE, crash, unreachable
from bot.agents.models.stream import AnswerStream
from bot.agents.types import Reply, Request
from bot.retry import TryAgain

MAX_WAIT_S = 60.0
"""The longest wait between two attempts: if a server asks for more, its error is reported."""

CONNECT_S = 10.0

UNSHOWN = re.compile(
    r"4(?:00|13|15|22)\b|.*\b(?:images?|image_url|vision|multi-?modal|mmproj)\b", re.I | re.DOTALL
)
"""Refusals of a request with an image that the model cannot see, or that is too large for it. Each
server has its own words, and some only say that the request is wrong."""

logger = logging.getLogger("tracebot.models")


class ModelCall:
    """A request to a model, from the first attempt to the answer. It is used once."""

    def __init__(self, endpoint: Endpoint, request: Request) -> None:
        self._endpoint = endpoint
        self._request = request
        self._started_ns = time.monotonic_ns()
        self._stream = self._new_stream()
        self._given_up: list[Reply] = []

    async def reply(self) -> Reply:
        """Return the answer, or raise `AgentError`."""
        # One deadline around everything. Timeouts of httpx hold for each step, so a server that
        # sends a byte a minute, or a name that is slow to resolve, would outlast them.
        try:
            async with asyncio.timeout(self._endpoint.timeout_s) as deadline:
                await self._ask_with_files(until=deadline.when() or 0.0)
        except TimeoutError:
            if self._stream.answer.stop_reason is None:
                raise AgentTimeout(
                    f"{self._endpoint.agent} did not answer within {self._endpoint.timeout_s:g} s: "
                    "set a longer timeout in the agents file, or ask for less.",
                    partial=self.partial(),
                ) from None
        except AgentError as error:
            error.partial = self.partial()
            raise
        return self._answered()

    def partial(self) -> Reply | None:
        """Return what has arrived so far, with what earlier attempts cost; None if nothing has."""
        partial = self._stream.partial()
        if partial is None and self._given_up:
            partial = self._stream.reply()
        return partial and self._with_given_up(partial)

    def _with_given_up(self, reply: Reply) -> Reply:
        return reduce(Reply.with_usage_of, self._given_up, reply)

    async def _ask_with_files(self, *, until: float) -> None:
        """Ask with the images of the conversation, and without them if they are refused.

        They come with each question in their thread, of which none would be answered.
        """
        messages = self._messages()
        try:
            await self._attempts(messages, until=until)
        except AgentError as error:
            shown = any(each.images for each in messages)
            if not shown or self._stream.answer.length or not _is_about_images(error):
                raise
            logger.warning(
                "%s is asked without images: %s", self._endpoint.agent, error.said or error
            )
            await self._attempts(self._messages(with_images=False), until=until)

    def _messages(self, *, with_images: bool = True) -> tuple[ChatMessage, ...]:
        agent = self._endpoint.agent
        return conversation(self._request, agent=agent, with_images=with_images)

    async def _attempts(self, messages: Sequence[ChatMessage], *, until: float) -> None:
        """Ask until an attempt succeeds; `until` is the deadline in the event loop's time."""
        body = json.dumps(self._body(messages)).encode()
        async with self._client() as http:
            for attempt in count(1):
                if (given_up := self._stream.partial()) is not None:
                    self._given_up.append(given_up)
                self._stream = self._new_stream()
                try:
                    await self._ask(http, body)
                    break
                except TryAgain as again:
                    # Part of the answer is shown already: another attempt would show it twice.
                    if self._stream.answer.length:
                        raise again.error from again
                    left = min(until - asyncio.get_running_loop().time(), MAX_WAIT_S)
                    wait = self._endpoint.retries.wait_after(
                        attempt, asked_s=again.wait_s, left_s=left
                    )
                    if wait is None:
                        raise again.error from again
                    await asyncio.sleep(wait)

    def _new_stream(self) -> AnswerStream:
        return AnswerStream(
            self._endpoint, on_progress=self._request.on_progress, started_ns=self._started_ns
        )

    def _client(self) -> httpx.AsyncClient:
        try:
            return httpx.AsyncClient(
                verify=_tls(),
                # Through a proxy https is a tunnel, but http, such as to a local model, would show
                # it the key.
                trust_env=self._endpoint.base_url.startswith("https:"),
                timeout=httpx.Timeout(None, connect=CONNECT_S),
            )
        except (ImportError, ValueError, httpx.InvalidURL) as error:
            raise AgentError(
                "not_started",
                f"{self._endpoint.agent} cannot use the proxy that the environment names ({error}):"
                " set another in HTTPS_PROXY, or except the address with NO_PROXY.",
            ) from error
        except OSError as error:
            raise AgentError(
                "not_started",
                f"{self._endpoint.agent} cannot use the certificates that the environment names "
                f"({error.strerror}): set another file in SSL_CERT_FILE, or leave it out.",
            ) from error

    def _body(self, messages: Sequence[ChatMessage]) -> dict[str, object]:
        endpoint = self._endpoint
        return endpoint.api.body(
            ModelRequest(
                messages=tuple(messages),
                model=endpoint.model,
                official=endpoint.base_url == endpoint.api.base_url,
                instructions=self._request.instructions.strip(),
                max_tokens=endpoint.max_tokens,
                temperature=endpoint.temperature,
            )
        )

    def _headers(self) -> dict[str, str]:
        headers = {
            **self._endpoint.api.headers,
            "Content-Type": "application/json",
            "Accept": "text/event-stream",
            # A small compressed answer could fill the memory before its size is known.
            "Accept-Encoding": "identity",
            "User-Agent": "tracebot",
        }
        if self._endpoint.key is not None:
            headers |= self._endpoint.api.key_headers(self._endpoint.key)
        if self._request.traceparent is not None:
            headers["traceparent"] = self._request.traceparent
        return headers

    async def _ask(self, http: httpx.AsyncClient, body: bytes) -> None:
        """Make one attempt. Raise `TryAgain` if another may succeed, else `AgentError`."""
        url = self._endpoint.base_url + self._endpoint.api.path
        try:
            async with http.stream("POST", url, content=body, headers=self._headers()) as response:
                await self._stream.read(response)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
            raise TryAgain(unreachable(self._endpoint, error)) from error
        # After the handshake, httpx raises an error of TLS as it is.
        except (httpx.TransportError, SSLError) as error:
            if self._stream.answer.stop_reason is not None:
                return  # The answer is complete: only the end of the connection is not.
            what = "closed the connection before its answer was complete"
            raise TryAgain(crash(self._endpoint, what, self.partial())) from error

    def _answered(self) -> Reply:
        """Return the complete answer, or raise `AgentError` if it is a refusal or empty."""
        reply, agent = self._with_given_up(self._stream.reply()), self._endpoint.agent
        if self._stream.answer.refused:
            raise AgentError(
                "refused", f"{agent} refused to answer: ask for something else.", partial=reply
            )
        if not reply.text.strip():
            raise AgentError(*_why_empty(agent, reply), partial=reply)
        return reply


def _why_empty(agent: str, reply: Reply) -> tuple[str, str]:
    """Return the error type of an answer without text, and a sentence."""
    if reply.stop_reason == "model_context_window_exceeded":
        what = "was given so long a conversation that no room was left for an answer"
        return "too_long", f"{agent} {what}: {ADVICE['too_long']}."
    if reply.stop_reason in OUTPUT_LIMIT:
        count = "" if reply.output_tokens is None else f"{reply.output_tokens:,} "
        return "output_limit", (
            f"{agent} used up its {count}output tokens before it wrote an answer, probably on "
            "thinking: set a higher max_tokens in the agents file, or ask for less at once."
        )
    return "empty", f"{agent} ended without an answer ({reply.stop_reason})."


def _is_about_images(error: AgentError) -> bool:
    may_be = error.error_type in ("crash", "not_found", "too_long")
    return may_be and UNSHOWN.match(error.said) is not None


@cache
def _tls() -> SSLContext:
    # Once per process: reading the certificates takes 20 ms.
    return httpx.create_ssl_context()
