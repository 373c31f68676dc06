"""Read a model's streamed answer, within limits."""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress

import httpx

from bot.agents.models.api import Endpoint, ModelAnswer
from bot.agents.models.errors import crash, error_in_event, error_in_response, reported
from bot.agents.models.sse import EventStreamReader, EventTooLarge
from bot.agents.models.thoughts import ThoughtFilter, without_thoughts
from bot.agents.types import Progress, Reply
from bot.retry import TryAgain
from storage.model.redaction import redacted_start

MAX_ANSWER = 1_000_000
"""Characters; a longer answer is cut."""

MAX_STREAM = 64_000_000
"""Bytes of a whole stream, including what is not text."""

MAX_ERROR = 65_536
"""Bytes of an error's body that are read."""

USAGE_S = 10.0
"""How long the usage may come after a complete answer."""

REDIRECT = "a redirect, which is not followed with a key: set base_url to the final address"
LONGER = "[The answer was longer and is cut here.]"


class AnswerStream:
    """The answer of one attempt, as it arrives.

    `started_ns` is the monotonic time at which the question was asked.
    """

    def __init__(
        self, endpoint: Endpoint, *, on_progress: Callable[[Progress], object], started_ns: int
    ) -> None:
        self._endpoint = endpoint
        self._on_progress = on_progress
        self._started_ns = started_ns
        self._first_output_ns: int | None = None
        self._thoughts = ThoughtFilter()
        self.answer = ModelAnswer()

    async def read(self, response: httpx.Response) -> None:
        """Read the response to its end. Raise `AgentError`, or `TryAgain` around one."""
        await self._check(response)
        # Some servers keep the connection open after the last event, with or without a word.
        with suppress(TimeoutError):
            async with asyncio.timeout(None) as patience:
                await self._read_events(response, patience)
        if self.answer.stop_reason is None:
            raise TryAgain(self._crash("stopped in the middle of its answer"))

    async def _read_events(self, response: httpx.Response, patience: asyncio.Timeout) -> None:
        """Read to the end; for `USAGE_S` only, once the answer is complete."""
        reader, size = EventStreamReader(), 0
        async for piece in response.aiter_raw():
            size += len(piece)
            if size > MAX_STREAM:
                raise self._crash(f"sent more than {MAX_STREAM:,} bytes and was stopped")
            try:
                for data in reader.feed(piece):
                    self._take(data)
                    if self.answer.ended:
                        return
            except EventTooLarge as error:
                raise self._crash(f"sent {error}") from None
            if self.answer.stop_reason is not None and patience.when() is None:
                patience.reschedule(asyncio.get_running_loop().time() + USAGE_S)

    def reply(self) -> Reply:
        """Return what has arrived so far as a reply."""
        answer = self.answer
        text = without_thoughts("".join((*answer.text, self._thoughts.held)))
        if text and answer.stop_reason in self._endpoint.api.cut_reasons:
            text += f"\n{LONGER}"
        return Reply(
            text=text,
            provider=self._endpoint.api.name,
            api_url=self._endpoint.base_url,
            model=answer.model or self._endpoint.model,
            input_tokens=answer.input_tokens,
            output_tokens=answer.output_tokens,
            cached_tokens=answer.cached_tokens,
            cache_write_tokens=answer.cache_write_tokens,
            cost=answer.cost,
            cost_source=None if answer.cost is None else "reported",
            first_output_ns=self._first_output_ns,
            stop_reason=answer.stop_reason,
            response_id=answer.response_id,
        )

    def partial(self) -> Reply | None:
        """Return the reply so far, None if neither text nor tokens have arrived."""
        answer = self.answer
        return self.reply() if answer.length or answer.input_tokens is not None else None

    async def _check(self, response: httpx.Response) -> None:
        """Raise an error if the response is not the beginning of an answer."""
        if response.is_redirect:
            raise self._crash(f"answered with {REDIRECT}")
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise self._crash("sent a compressed answer, which was not asked for")
        if response.status_code != 200:
            body = await _beginning(response)
            error = error_in_response(response.status_code, response.headers, body)
            raise reported(self._endpoint, error, self.partial())
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "text/event-stream":
            shown = redacted_start(kind, 80) if kind and kind.isprintable() else "something else"
            raise self._crash(
                f"sent {shown} instead of a stream of events: see base_url in the agents file"
            )

    def _take(self, data: str) -> None:
        if data == "[DONE]":
            self.answer.ended = True
            return
        try:
            event = json.loads(data)
        except (ValueError, RecursionError):
            event = None
        if not isinstance(event, dict):
            raise self._crash("sent an event that is not a JSON object")
        if error := error_in_event(event):
            raise reported(self._endpoint, error, self.partial())
        if piece := self._endpoint.api.read(event, self.answer):
            self._add(piece)

    def _add(self, piece: str) -> None:
        answer = self.answer
        if self._first_output_ns is None:
            self._first_output_ns = time.monotonic_ns() - self._started_ns
        piece = self._thoughts.add(piece)[: MAX_ANSWER - answer.length]
        if not piece:
            return
        answer.text.append(piece)
        answer.length += len(piece)
        self._on_progress(Progress(text=piece))
        if answer.length >= MAX_ANSWER:
            answer.stop_reason, answer.ended = self._endpoint.api.cut_reasons[0], True

    def _crash(self, what: str) -> Exception:
        return crash(self._endpoint, what, self.partial())


async def _beginning(response: httpx.Response) -> bytes:
    """Read at most `MAX_ERROR` bytes of an error's body."""
    body = b""
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > MAX_ERROR:
            break
    return body[:MAX_ERROR]
