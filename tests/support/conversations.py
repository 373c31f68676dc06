"""Wait for turns to end, as seen in Slack and in the database."""

import time
from collections.abc import Callable

from bot.lifecycle import Bot
from bot.sandbox import Channel, Message, Sandbox, User
from storage import Observability
from storage.model.span import Span
from storage.queries.lookups import thread_traces
from storage.queries.traces import TraceSummary, trace_spans

StartBot = Callable[..., Bot]

Ask = Callable[..., Message]
"""Asks a question, by default "think hard", and returns it once the agent has it."""

PATIENCE_S = 30.0
"""Long enough for a busy machine: only a test that fails waits that long."""


def eventually(holds: Callable[[], bool]) -> None:
    """Wait for something that happens after the last message to Slack."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def finished(
    observability: Observability, channel: Channel, thread_ts: str, *, count: int = 1
) -> tuple[TraceSummary, ...]:
    """Return the traces of a thread once *count* of them have ended."""

    def traces() -> tuple[TraceSummary, ...]:
        observability.flush()
        return thread_traces(observability.database, channel=channel.id, thread_ts=thread_ts)

    eventually(lambda: len([t for t in traces() if t.status != "running"]) >= count)
    return traces()


def spans_of(observability: Observability, trace: TraceSummary) -> dict[str, Span]:
    return {span.name: span for span in trace_spans(observability.database, trace.trace_id)}


def ended(sandbox: Sandbox, channel: Channel, question: Message, how: str) -> list[Message]:
    """Return the replies once the question has the reaction *how*."""
    sandbox.wait_for_reaction(channel, question.ts, how)
    return sandbox.thread(channel, question.ts)[1:]


def answered(sandbox: Sandbox, user: User, channel: Channel, text: str) -> tuple[Message, Message]:
    """Mention the bot, and return the question and its only reply once it is answered."""
    question = sandbox.post(user, channel, f"{sandbox.mention} {text}")
    (answer,) = ended(sandbox, channel, question, "white_check_mark")
    return question, answer
