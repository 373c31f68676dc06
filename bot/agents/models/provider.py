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
from dataclasses import dataclass

from bot.agents.cancellation import SHUTDOWN
from bot.agents.errors import AgentCancelled, AgentError
from bot.agents.models.anthropic import ANTHROPIC
from bot.agents.models.api import ModelApi
from bot.agents.models.call import Endpoint, ModelCall
from bot.agents.models.openai import OPENAI
from bot.agents.types import Reply, Request

APIS: Mapping[str, ModelApi] = {"openai": OPENAI, "anthropic": ANTHROPIC}


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpProvider:
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
        call = ModelCall(self.endpoint, request)
        loop = asyncio.new_event_loop()
        task = loop.create_task(call.reply())
        try:
            with request.cancellation.watch(lambda: loop.call_soon_threadsafe(task.cancel)):
                return loop.run_until_complete(task)
        except asyncio.CancelledError:
            by = request.cancellation.by or SHUTDOWN
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
