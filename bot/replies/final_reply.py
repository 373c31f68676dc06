"""Write the final form of a reply: the agent's answer, or why there is none and what to do next."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.agents.cancellation import SHUTDOWN
from bot.agents.errors import AgentCancelled, AgentError
from bot.agents.invocation import status_of
from bot.agents.last_words import LONGEST, last_words
from bot.agents.types import Agent, Reply
from bot.replies.buttons import Attempt, failure_buttons, feedback_buttons
from bot.replies.messages import failure_message, fallback_message, stopped_message
from bot.slack.own_secrets import OwnSecrets
from bot.slack.types import IncomingMessage
from reports.formatting import without_controls
from reports.render.block_kit import Block
from storage.model.redaction import redact
from storage.model.span import Status


@dataclass(frozen=True, slots=True)
class TurnFailure:
    """Why there is no answer, as the trace records it."""

    error_type: str
    message: str
    status: Status = "error"
    agent: str = ""
    refused: str = ""
    """Slack's error code, if it does not take the reply in any form."""
    is_late: bool = False
    """There is an answer, which is posted as soon as Slack is well."""


@dataclass(frozen=True, slots=True)
class FinalReply:
    """The final content of a reply: the agent's text, and the bot's own note below it."""

    text: str
    note: str = ""
    provider: str | None = None
    failure: TurnFailure | None = None
    stopped_by: str | None = None
    below: tuple[Block, ...] = ()


class ReplyWriter:
    """Write final replies. `agents` returns the names that may be asked when one of them failed."""

    def __init__(self, secrets: OwnSecrets, agents: Callable[[], Sequence[str]]) -> None:
        self._secrets = secrets
        self._agents = agents

    def answer(self, agent: Agent, reply: Reply, *, trace_id: str, restarts: int) -> FinalReply:
        """Return an answer; after *restarts* it tells who gave it, not the first provider."""
        note = fallback_message(agent.providers[0].name, reply.provider) if restarts else ""
        below = (feedback_buttons(trace_id),)
        return FinalReply(reply.text, note, reply.provider, below=below)

    def failure(
        self, agent: Agent, error: AgentError, message: IncomingMessage, *, said: str, trace_id: str
    ) -> FinalReply:
        """Return what the agent had *said* when it failed or was stopped, and why it ended."""
        failure = TurnFailure(error.error_type, error.message, status_of(error))
        said = error.partial.text if error.partial else said
        if isinstance(error, AgentCancelled):
            # Who stopped an agent does not want it to be asked again, but for a restart of ours.
            below = self._buttons(agent, message, trace_id) if error.by == SHUTDOWN else ()
            note = stopped_message(error.by)
            return FinalReply(said, note, failure=failure, stopped_by=error.by, below=below)
        words = self._own_words(error)
        note = failure_message(agent.name, error.error_type, trace_id=trace_id, words=words)
        below = self._buttons(agent, message, trace_id)
        return FinalReply(said, note, failure=failure, below=below)

    def fault(
        self, agent: Agent, error: Exception, message: IncomingMessage, *, said: str, trace_id: str
    ) -> FinalReply:
        """Return what the agent had *said* when a fault of ours ended its work."""
        return FinalReply(
            said,
            failure_message(agent.name, "internal", trace_id=trace_id),
            failure=TurnFailure(type(error).__name__, str(error)),
            below=self._buttons(agent, message, trace_id),
        )

    def _own_words(self, error: AgentError) -> str:
        """Return what the program said about its failure: one line, without secrets."""
        if not error.said:
            return self._secrets.removed(last_words(error.stderr))
        # Colours go first, which could hide a secret.
        words = " ".join(without_controls(error.said).split())
        said = redact(self._secrets.removed(words))
        return said if len(said) <= LONGEST else f"{said[:LONGEST]}…"

    def _buttons(self, agent: Agent, message: IncomingMessage, trace_id: str) -> tuple[Block, ...]:
        return (failure_buttons(Attempt(trace_id, message.ts, agent.name), self._agents()),)
