"""One agent's answer to one message: asked, heard, posted."""

from dataclasses import dataclass

from slack_sdk import WebClient

from bot.agents.agent import Agent, AgentError, HistoryMessage, Reply, Request
from bot.agents.invocation import invoke
from bot.decision import IncomingMessage
from bot.files import FetchResult
from bot.replies import failure_message, reply_messages
from bot.settings import Settings
from storage import ActiveSpan, Observability


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What every agent that is named in a message is given."""

    message: IncomingMessage
    prompt: str
    history: tuple[HistoryMessage, ...]
    fetched: FetchResult


class Answering:
    """Asks agents, and posts what they say; may be called from several threads at once."""

    def __init__(
        self,
        *,
        client: WebClient,
        bot_user: str,
        observability: Observability,
        settings: Settings,
    ) -> None:
        self._client = client
        self._bot_user = bot_user
        self._observability = observability
        self._settings = settings

    def answer(self, agent: Agent, question: Question, root: ActiveSpan) -> AgentError | None:
        """Post the agent's answer; the error, told to its user, where there is none."""
        try:
            reply = invoke(agent, _request(agent, question), observability=self._observability)
        except AgentError as error:
            self.say(
                question.message,
                failure_message(agent.name, error.error_type, trace_id=root.trace_id),
            )
            return error
        self._post(agent, question.message, reply, root)
        return None

    def say(self, message: IncomingMessage, text: str) -> None:
        """Post words of our own in the message's thread."""
        with self._observability.span("reply", kind="producer", characters=len(text)):
            self._client.chat_postMessage(
                channel=message.channel,
                thread_ts=message.root_ts,
                text=text,
                unfurl_links=False,
                unfurl_media=False,
            )

    def _post(self, agent: Agent, message: IncomingMessage, reply: Reply, root: ActiveSpan) -> None:
        payload = {
            "agent": agent.name,
            "provider": reply.provider,
            "trace_id": root.trace_id,
            "bot_user_id": self._bot_user,
        }
        with self._observability.span("reply", kind="producer", agent=agent.name) as span:
            span.set(characters=len(reply.text), text=self._settings.captured(reply.text))
            posted: list[str] = []
            for part in reply_messages(reply.text, payload=payload):
                answer = self._client.chat_postMessage(
                    channel=message.channel, thread_ts=message.root_ts, **part
                )
                posted.append(answer["ts"])
            span.set(**{"slack.reply_ts": posted})


def _request(agent: Agent, question: Question) -> Request:
    return Request(
        prompt=_with_refusals(question.prompt, question.fetched),
        mode=agent.mode,
        history=question.history,
        files=question.fetched.paths,
        platform="slack",
        channel=question.message.channel,
        thread_ts=question.message.root_ts,
    )


def _with_refusals(prompt: str, fetched: FetchResult) -> str:
    """The agent is told which files it does not have, so that it does not make them up."""
    notes = [f"(A file could not be read: {refusal.reason}.)" for refusal in fetched.refused]
    return "\n".join([prompt, *notes]).strip()
