"""Ask one agent, show its reply as it grows, and post the answer."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from slack_sdk import WebClient

from bot.agents.cancellation import DELETION, Cancellation
from bot.agents.errors import AgentError
from bot.agents.invocation import invoke
from bot.agents.types import Agent, HistoryMessage, Request, ThreadState
from bot.http.turn_address import turn_address
from bot.replies.delivery import ReplyDelivery
from bot.replies.final_reply import FinalReply, ReplyWriter, TurnFailure
from bot.replies.ladder import Delivered, deliver
from bot.replies.live import LiveUpdates
from bot.replies.live_messages import Heading
from bot.replies.live_replies import LiveReplies
from bot.replies.messages import MARKDOWN_LIMIT, Message, reply_messages
from bot.replies.posted import STOPPED_AGENT
from bot.replies.streamer import ReplyStreamer
from bot.replies.text.presented import NameOf, nobody
from bot.replies.timeline import with_timeline
from bot.replies.unfinished import UnfinishedReplies
from bot.settings import Settings
from bot.slack.attachments import FetchResult
from bot.slack.conversation.names import Names
from bot.slack.errors import SLACK_ERRORS, ThreadGone, error_code, is_gone, is_refusal
from bot.slack.own_secrets import OwnSecrets
from bot.slack.types import IncomingMessage
from reports.formatting import without_controls
from storage import ActiveSpan, Observability
from storage.coordination.unfinished_replies import UnfinishedReply
from storage.model.erasure import REPLY_TS
from storage.model.redaction import redact
from storage.model.semconv import FIRST_WORD, REPLY, TIME_TO_ANSWER

MOST_REFUSED = 20
"""Files that an agent is told it does not have."""

LONGEST_TITLE = 200
"""Characters of a session's title that Slack takes."""

logger = logging.getLogger("tracebot.responder")


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentInput:
    """The input for each agent that a message names."""

    message: IncomingMessage
    author: str
    prompt: str
    history: tuple[HistoryMessage, ...]
    thread: ThreadState
    fetched: FetchResult


class Responder:
    """Ask agents and post what they say. May be called from several threads at once."""

    def __init__(
        self,
        *,
        bot_user: str,
        live_client: WebClient,
        delivery: ReplyDelivery,
        observability: Observability,
        settings: Settings,
        secrets: OwnSecrets,
        unfinished: UnfinishedReplies,
        writer: ReplyWriter,
        names: Names,
        collector: str | None = None,
    ) -> None:
        """`live_client` neither retries nor waits long; see `LiveUpdates`.

        `collector` is the base URL of the receiver for the agents' own telemetry.
        """
        self._bot_user = bot_user
        self._live_client = live_client
        self._delivery = delivery
        self._live = LiveReplies(live_client)
        self._observability = observability
        self._settings = settings
        self._secrets = secrets
        self._unfinished = unfinished
        self._writer = writer
        self._names = names
        self._collector = collector

    def begin(self, agent: Agent, message: IncomingMessage, root: ActiveSpan) -> UnfinishedReply:
        """Note that the agent will be asked, and return its reply for `respond`."""
        reply = _unfinished_reply(agent, message, root)
        self._unfinished.begin(reply)
        return reply

    def respond(
        self,
        agent: Agent,
        given: AgentInput,
        root: ActiveSpan,
        cancellation: Cancellation,
        unfinished: UnfinishedReply,
    ) -> TurnFailure | None:
        """Post the agent's answer. Return why there is none, or why Slack does not take it."""
        place = given.message.place
        updates = LiveUpdates(
            self._live_client,
            self._delivery,
            self._live,
            place=place,
            heading=Heading(agent.name, root.trace_id),
            title=_title(given.prompt),
            secrets=self._secrets,
            name_of=self._names.user,
            unfinished=self._unfinished,
            reply=unfinished,
            on_gone=lambda code: cancellation.cancel(f"slack: {code}"),
        )
        with ReplyStreamer(
            updates, self._delivery, place=place, unfinished=self._unfinished, reply=unfinished
        ) as streamer:
            reply = self._ask(agent, given, root, streamer, cancellation)
            return self._post(agent, reply, root, streamer) or reply.failure

    def _ask(
        self,
        agent: Agent,
        given: AgentInput,
        root: ActiveSpan,
        streamer: ReplyStreamer,
        cancellation: Cancellation,
    ) -> FinalReply:
        request = Request(
            prompt=_with_refusals(given.prompt, given.fetched),
            mode=agent.mode,
            author=given.author,
            ts=given.message.ts,
            history=given.history,
            files=given.fetched.paths,
            file_names=given.fetched.names,
            platform="slack",
            channel=given.message.channel,
            thread_ts=given.message.root_ts,
            thread=given.thread,
            collector=self._collector and turn_address(self._collector, root.trace_id),
            cancellation=cancellation,
            on_progress=streamer.updates.draft.add,
            captured=self._settings.captured,
        )
        message, trace_id = given.message, root.trace_id
        try:
            reply = invoke(agent, request, observability=self._observability)
        except AgentError as error:
            said = streamer.updates.draft.read().text
            return self._writer.failure(agent, error, message, said=said, trace_id=trace_id)
        except Exception as error:
            # Our own fault must not leave the user with half an answer and no end.
            logger.exception("An agent could not be asked in trace %s", trace_id)
            said = streamer.updates.draft.read().text
            return self._writer.fault(agent, error, message, said=said, trace_id=trace_id)
        restarts = streamer.updates.draft.read().restarts
        return self._writer.answer(agent, reply, trace_id=trace_id, restarts=restarts)

    def _post(
        self, agent: Agent, reply: FinalReply, root: ActiveSpan, streamer: ReplyStreamer
    ) -> TurnFailure | None:
        """Post the reply; return the reason if Slack does not take it."""
        payload = {
            "agent": agent.name,
            "trace_id": root.trace_id,
            "bot_user_id": self._bot_user,
            **({"provider": reply.provider} if reply.provider else {}),
            **({STOPPED_AGENT: "true"} if reply.stopped_by else {}),
        }
        with self._observability.span(REPLY, kind="producer", agent=agent.name) as span:
            # Before the text is split into messages, so that no secret is cut in two.
            reply = replace(reply, text=self._without_secrets(agent, reply.text, root, span))
            span.set(characters=len(reply.text), text=self._settings.captured(reply.text))
            try:
                if reply.stopped_by == DELETION:
                    streamer.take_back()
                delivered = self._deliver(reply, payload, streamer)
            except SLACK_ERRORS as error:
                return replace(self._not_posted(error, reply, span, streamer), agent=agent.name)
            finally:
                _record_stream(span, streamer)
            span.set(**{REPLY_TS: delivered.posted, "slack.reply_form": delivered.form})
            if reply.failure is None:
                _record_times(span, root, streamer)
        return None

    def _deliver(
        self, reply: FinalReply, payload: Mapping[str, str], streamer: ReplyStreamer
    ) -> Delivered:
        failed = reply.failure is not None

        def build(limit: int, name_of: NameOf = self._names.user) -> list[Message]:
            messages = reply_messages(
                reply.text,
                payload=payload,
                note=reply.note,
                below=reply.below,
                limit=limit,
                name_of=name_of,
            )
            return with_timeline(messages, streamer.tools, failed=failed)

        # To look up names, and to end the live reply, may take a while.
        streamer.hold(build(MARKDOWN_LIMIT, nobody))
        return deliver(
            reply.text,
            build,
            post=partial(streamer.finish, failed=failed),
            attach=streamer.attach,
        )

    def _not_posted(
        self, error: Exception, reply: FinalReply, span: ActiveSpan, streamer: ReplyStreamer
    ) -> TurnFailure:
        """Record that Slack did not take the reply, and return why the turn failed."""
        code = error_code(error)
        span.fail("slack_api", code)
        if self._settings.capture != "none":
            span.set(text=reply.text)  # The record is the only place where it can be read.
        if is_gone(code) and (isinstance(error, ThreadGone) or not reply.text.strip()):
            streamer.give_up()  # Later there is no place for it, or no use.
        said = f"Slack did not take the answer: {code}."
        # A reply that was not refused is posted later, so there is nothing to tell yet.
        refused = code if is_refusal(error) else ""
        failure = reply.failure or TurnFailure("slack_api", said, is_late=not refused)
        return replace(failure, refused=refused)

    def _without_secrets(self, agent: Agent, text: str, root: ActiveSpan, span: ActiveSpan) -> str:
        """Return the agent's text without the bot's own secrets, and say so if it had any."""
        text = without_controls(text)  # Colours go first, as they could hide a secret.
        told = self._secrets.found(text)
        if not told:
            return text
        span.set(**{"tracebot.secrets.removed": list(told)})
        logger.warning(
            "%s told %s, which was removed from its reply: see trace %s, and keep it from "
            "what holds them.",
            agent.name,
            " and ".join(told),
            root.trace_id,
        )
        return self._secrets.removed(text)


def _unfinished_reply(agent: Agent, message: IncomingMessage, root: ActiveSpan) -> UnfinishedReply:
    return UnfinishedReply(
        id=f"{root.trace_id}:{agent.name}",
        trace_id=root.trace_id,
        agent=agent.name,
        team=message.team,
        channel=message.channel,
        thread_ts=message.root_ts,
        message_ts=message.ts,
        user=message.user,
        begun_at=time.time_ns(),
    )


def _title(prompt: str) -> str:
    """Return the question as the title of a session, on one line."""
    title = redact(" ".join(without_controls(prompt).split()))
    return title if len(title) <= LONGEST_TITLE else f"{title[: LONGEST_TITLE - 1]}…"


def _record_stream(span: ActiveSpan, streamer: ReplyStreamer) -> None:
    updates = streamer.updates
    if updates.count:
        span.set(**{"slack.stream.pieces": updates.count})
    if updates.first_ns is not None:
        span.set(**{"slack.stream.time_to_first_piece": updates.first_ns / 1e9})


def _record_times(span: ActiveSpan, root: ActiveSpan, streamer: ReplyStreamer) -> None:
    """Record how long the author waited for the first word and for the whole answer."""
    now = time.time_ns()
    first_at = streamer.updates.first_at or now
    seconds = {
        FIRST_WORD: (first_at - root.started_at) / 1e9,
        TIME_TO_ANSWER: (now - root.started_at) / 1e9,
    }
    span.set(**seconds)


def _with_refusals(prompt: str, fetched: FetchResult) -> str:
    """Tell the agent which files it does not have, so that it does not invent their content."""
    told = fetched.refused[:MOST_REFUSED]
    notes = [f"({each.name} could not be read: {each.reason}.)" for each in told]
    if more := len(fetched.refused) - len(told):
        notes.append(f"({more} more files could not be read.)")
    return "\n".join([prompt, *notes]).strip()
