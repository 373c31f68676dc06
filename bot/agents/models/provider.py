"""A model behind HTTP as a provider: a request, a streamed answer.

It uses httpx and 400 lines instead of the official clients: importing `openai` and `anthropic`
takes 0.6 and 1.4 seconds and 30 MB each, and what they add (typed answers, tools, pagination) is
not needed here. It behaves as they do: the same headers, two further attempts at errors that may
pass, `Retry-After`, and no further attempt once the answer has started.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from bot.agents.cancellation import SHUTDOWN
from bot.agents.errors import AgentCancelled, AgentError
from bot.agents.models.anthropic import ANTHROPIC
from bot.agents.models.api import Endpoint, ModelApi
from bot.agents.models.openai import OPENAI
from bot.agents.types import Reply, Request

APIS: Mapping[str, ModelApi] = {"openai": OPENAI, "anthropic": ANTHROPIC}


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpProvider:
    """A provider that asks the model at an endpoint."""

    endpoint: Endpoint

    @property
    def name(self) -> str:
        return self.endpoint.api.name

    @property
    def model(self) -> str:
        return self.endpoint.model

    def answer(self, request: Request) -> Reply:
        self._check_key()
        # Imported late: httpx takes 0.1 s, and agents that are programs do without it.
        from bot.agents.models.call import ModelCall

        call = ModelCall(self.endpoint, request)
        # An event loop for each request, on the thread that asks. A blocking client could not be
        # interrupted while it waits for a name, a connection or the next byte; here the deadline
        # and a cancellation end the task wherever it waits.
        loop = asyncio.new_event_loop()
        task = loop.create_task(call.reply())
        try:
            with request.cancellation.watch(lambda: loop.call_soon_threadsafe(task.cancel)):
                return loop.run_until_complete(task)
        except asyncio.CancelledError:
            by = request.cancellation.by or SHUTDOWN
            raise AgentCancelled(by, partial=call.partial()) from None
        finally:
            # After Ctrl-C the task is still in the middle: cancel it and wait, so that it closes
            # its connection. The watch has ended, so nobody calls the loop once it is closed.
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
