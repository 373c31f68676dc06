"""One agent's answer to one message: asked, shown as it comes, posted."""

import logging
from dataclasses import dataclass

from slack_sdk.errors import SlackApiError

from bot.agents.cancellation import Cancellation
from bot.agents.errors import AgentCancelled, AgentError
from bot.agents.invocation import invoke, status_of
from bot.agents.types import Agent, HistoryMessage, Reply, Request
from bot.replies.delivery import ReplyDelivery
from bot.replies.live import LiveReplies, LiveReply
from bot.replies.messages import (
    failure_message,
    fallback_message,
    reply_messages,
    stopped_message,
)
from bot.settings import Settings
from bot.slack.attachments import FetchResult
from bot.slack.errors import SLACK_ERRORS, TOO_LONG, error_code
from bot.slack.types import IncomingMessage, Place
from storage import ActiveSpan, Observability
from storage.model.span import Status

SHORTER = 2_500
"""Characters of a part where Slack finds a longer one too long."""

logger = logging.getLogger("tracebot.answering")


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What every agent that is named in a message is given."""

    message: IncomingMessage
    prompt: str
    history: tuple[HistoryMessage, ...]
    fetched: FetchResult


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer, in the words of the record."""

    error_type: str
    message: str
    status: Status = "error"


@dataclass(frozen=True, slots=True)
class Answer:
    """What is to be posted: what the agent said, and a note of ours below it."""

    text: str
    note: str = ""
    provider: str | None = None
    failure: Failure | None = None


class Responder:
    """Asks agents, and posts what they say; may be called from several threads at once."""

    def __init__(
        self,
        *,
        bot_user: str,
        posting: ReplyDelivery,
        live: LiveReplies,
        observability: Observability,
        settings: Settings,
        collector: str | None = None,
    ) -> None:
        """`collector` is the base URL to which agents may send their own telemetry."""
        self._bot_user = bot_user
        self._posting = posting
        self._live = live
        self._observability = observability
        self._settings = settings
        self._collector = collector

    def answer(
        self, agent: Agent, question: Question, root: ActiveSpan, cancellation: Cancellation
    ) -> Failure | None:
        """Post the agent's answer; why, where there is none or Slack does not take it."""
        live = self._live.open(
            place_of(question.message),
            agent=agent.name,
            trace_id=root.trace_id,
            gone=lambda code: cancellation.cancel(f"slack: {code}"),
        )
        try:
            answer = self._ask(agent, question, root, live, cancellation)
            return self._post(agent, answer, root, live) or answer.failure
        finally:
            live.close()

    def say(self, message: IncomingMessage, text: str) -> None:
        """Post words of our own in the message's thread."""
        words = {"text": text, "unfurl_links": False, "unfurl_media": False}
        with self._observability.span("reply", kind="producer", characters=len(text)) as span:
            try:
                self._posting.post(place_of(message), words)
            except SLACK_ERRORS as error:
                span.fail("slack_api", error_code(error))

    def _ask(
        self,
        agent: Agent,
        question: Question,
        root: ActiveSpan,
        live: LiveReply,
        cancellation: Cancellation,
    ) -> Answer:
        request = Request(
            prompt=_with_refusals(question.prompt, question.fetched),
            mode=agent.mode,
            history=question.history,
            files=question.fetched.paths,
            platform="slack",
            channel=question.message.channel,
            thread_ts=question.message.root_ts,
            collector=self._collector,
            cancellation=cancellation,
            on_progress=live.heard,
        )
        try:
            reply = invoke(agent, request, observability=self._observability)
        except AgentError as error:
            said = error.partial.text if error.partial else live.draft.text
            failure = Failure(error.error_type, error.message, status_of(error))
            return Answer(said, _why_not(agent, error, root), failure=failure)
        except Exception as error:
            # A fault of ours: its user is not left with half an answer.
            logger.exception("An agent could not be asked in trace %s", root.trace_id)
            note = failure_message(agent.name, "internal", trace_id=root.trace_id)
            return Answer(live.draft.text, note, failure=Failure(type(error).__name__, str(error)))
        return Answer(reply.text, _who_instead(agent, reply, live), reply.provider)

    def _post(
        self, agent: Agent, answer: Answer, root: ActiveSpan, live: LiveReply
    ) -> Failure | None:
        """Why it could not be posted, if so."""
        payload = {
            "agent": agent.name,
            "trace_id": root.trace_id,
            "bot_user_id": self._bot_user,
            **({"provider": answer.provider} if answer.provider else {}),
        }
        with self._observability.span("reply", kind="producer", agent=agent.name) as span:
            span.set(characters=len(answer.text), text=self._settings.captured(answer.text))
            try:
                posted = _deliver(answer, payload, live)
            except SLACK_ERRORS as error:
                span.fail("slack_api", error_code(error))
                return Failure("slack_api", f"Slack did not take the answer: {error_code(error)}.")
            finally:
                _record_stream(span, live)
            span.set(**{"slack.reply_ts": posted})
        return None


def place_of(message: IncomingMessage) -> Place:
    return Place(message.team, message.channel, message.root_ts, message.user)


def _deliver(answer: Answer, payload: dict[str, str], live: LiveReply) -> list[str]:
    try:
        return live.finish(reply_messages(answer.text, payload=payload, note=answer.note))
    except SlackApiError as error:
        if error_code(error) not in TOO_LONG:
            raise
    parts = reply_messages(answer.text, payload=payload, note=answer.note, limit=SHORTER)
    return live.finish(parts)


def _record_stream(span: ActiveSpan, live: LiveReply) -> None:
    if live.pieces:
        span.set(**{"slack.stream.pieces": live.pieces})
    if live.first_piece_ns is not None:
        span.set(**{"slack.stream.time_to_first_piece": live.first_piece_ns / 1e9})


def _why_not(agent: Agent, error: AgentError, root: ActiveSpan) -> str:
    if isinstance(error, AgentCancelled):
        return stopped_message(error.by)
    return failure_message(agent.name, error.error_type, trace_id=root.trace_id)


def _who_instead(agent: Agent, reply: Reply, live: LiveReply) -> str:
    """Says so where it was not the agent's first choice that answered."""
    if not live.draft.restarts:
        return ""
    return fallback_message(agent.providers[0].name, reply.provider)


def _with_refusals(prompt: str, fetched: FetchResult) -> str:
    """The agent is told which files it does not have, so that it does not make them up."""
    notes = [f"(A file could not be read: {refusal.reason}.)" for refusal in fetched.refused]
    return "\n".join([prompt, *notes]).strip()
