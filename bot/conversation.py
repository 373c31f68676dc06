"""One message's turn: decide, history, files, agent, reply, reaction. Each step is a span."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.access import audience_of
from bot.agents.agent import (
    Agent,
    AgentError,
    AgentTimeout,
    HistoryMessage,
    Reply,
    Request,
)
from bot.agents.invocation import invoke
from bot.agents.roster import Roster
from bot.decision import (
    Decision,
    IncomingMessage,
    Me,
    Reason,
    Thread,
    decide,
    is_me,
    settled,
)
from bot.files import FetchResult, FileDownloads
from bot.people import Directory, channel_type
from bot.replies import failure_message, reply_messages
from bot.settings import Settings
from bot.slack_errors import SLACK_ERRORS
from bot.thread import ThreadRead, ThreadReader
from storage import ActiveSpan, Observability
from storage.span import Status
from storage.tracing import CurrentSpan

EYES, HOURGLASS, DONE, FAILED = "eyes", "hourglass_flowing_sand", "white_check_mark", "x"

logger = logging.getLogger("tracebot.conversation")


class Conversation:
    """Answers messages. Nothing that goes wrong in recording or reacting stops an answer."""

    def __init__(
        self,
        *,
        client: WebClient,
        me: Me,
        roster: Roster,
        downloads: FileDownloads,
        directory: Directory,
        threads: ThreadReader,
        observability: Observability,
        settings: Settings,
    ) -> None:
        self._client = client
        self._me = me
        self._roster = roster
        self._downloads = downloads
        self._directory = directory
        self._threads = threads
        self._observability = observability
        self._settings = settings
        self._told_to_wait: set[str] = set()

    def turn(self, message: IncomingMessage, root: ActiveSpan, *, claimed: bool) -> None:
        """Answer the message, or leave it, and end `root`."""
        with CurrentSpan(root):
            message = self._complete(message)
            root.set(
                audience=audience_of(
                    team=message.team,
                    channel=message.channel,
                    kind=message.channel_type or "group",
                    user=message.user,
                ),
            )
            read = self._read_where_needed(message) if claimed else None
            decision = self._decide(message, read, claimed=claimed)
            root.set(decision="answer" if decision.answer else "skip")
            self._end_wait(message)
            if decision.answer:
                self._answer(message, read, root)

    def tell_to_wait(self, message: IncomingMessage, root: ActiveSpan) -> None:
        """Show that the thread is busy, where the message is one that may be answered."""
        message = self._complete(message)
        decision = settled(message, self._me, other_bots=self._bots_mentioned(message))
        if decision is None or decision.answer:
            with self._observability.span("wait", parent=root):
                self._told_to_wait.add(message.ts)
                self._react(message, HOURGLASS)

    def _end_wait(self, message: IncomingMessage) -> None:
        if message.ts in self._told_to_wait:
            self._told_to_wait.discard(message.ts)
            self._unreact(message, HOURGLASS)

    # Deciding.

    def _complete(self, message: IncomingMessage) -> IncomingMessage:
        """An `app_mention` does not say what kind of conversation it is from."""
        if message.channel_type is not None:
            return message
        try:
            kind = channel_type(self._directory.channel(message.channel))
        except SLACK_ERRORS as error:
            logger.warning("Slack does not say what %s is: %s", message.channel, error)
            return message
        return replace(message, channel_type=kind)

    def _read_where_needed(self, message: IncomingMessage) -> ThreadRead | None:
        if settled(message, self._me, other_bots=self._bots_mentioned(message)) is not None:
            return None
        return self._read(message)

    def _decide(
        self, message: IncomingMessage, read: ThreadRead | None, *, claimed: bool
    ) -> Decision:
        thread = read.thread() if read else Thread()
        with self._observability.span("decide") as span:
            if claimed:
                others = self._bots_mentioned(message)
                decision = decide(message, thread, self._me, other_bots=others)
            else:
                decision = Decision(False, Reason.HANDLED_ELSEWHERE)
            span.set(
                decision="answer" if decision.answer else "skip",
                reason=decision.reason.value,
                active_speaker=_speaker_name(thread),
                channel_type=message.channel_type,
                in_thread=message.in_thread,
            )
        return decision

    def _bots_mentioned(self, message: IncomingMessage) -> frozenset[str]:
        return frozenset(
            user for user in message.mentions if user != self._me.user and self._is_bot(user)
        )

    def _is_bot(self, user: str) -> bool:
        try:
            return bool(self._directory.user(user).get("is_bot"))
        except SLACK_ERRORS:
            return False  # Silence is the worse fault of the two.

    def _read(self, message: IncomingMessage) -> ThreadRead:
        with self._observability.span("read thread", kind="client") as span:
            read = self._threads.read(message.channel, message.root_ts)
            history = read.history(before=message.ts)
            span.set(
                messages=len(history),
                characters=sum(len(item.text) for item in history),
                cache="hit" if read.cached else "miss",
                thread_length=len(read.messages or ()),
            )
            if read.messages is None:
                span.fail("thread_unreadable", "Slack would not show the thread")
        return read

    # Answering.

    def _answer(self, message: IncomingMessage, read: ThreadRead | None, root: ActiveSpan) -> None:
        prompt = message.without_mention(self._me.user)
        if not prompt and not message.files:
            self._post(message, _usage(self._me))
            return
        if read is None and message.in_thread:
            read = self._read(message)
        agent = self._choose_agent(message, read)
        root.set(agent=agent.name)
        self._react(message, EYES)
        try:
            answered = self._ask(agent, message, prompt, read, root)
        finally:
            self._unreact(message, EYES)
        self._react(message, DONE if answered else FAILED)

    def _choose_agent(self, message: IncomingMessage, read: ThreadRead | None) -> Agent:
        """The one whose thread it is, else the channel's."""
        speaker = read.thread().active_speaker if read else None
        if speaker is not None and speaker.agent is not None and is_me(speaker, self._me):
            return self._roster.agent(speaker.agent)
        return self._roster.for_channel(message.channel)

    def _ask(
        self,
        agent: Agent,
        message: IncomingMessage,
        prompt: str,
        read: ThreadRead | None,
        root: ActiveSpan,
    ) -> bool:
        """Whether an answer was given. A failure is told to its user, and recorded as ours."""
        history = read.history(before=message.ts) if read else ()
        try:
            fetched = self._fetch(message)
            request = _request(agent, message, _with_refusals(prompt, fetched), history, fetched)
            reply = invoke(agent, request, observability=self._observability)
            self._reply(message, agent, reply, root)
        except AgentError as error:
            status: Status = "timeout" if isinstance(error, AgentTimeout) else "error"
            root.fail(error.error_type, error.message, status=status)
            self._post(
                message,
                failure_message(agent.name, error.error_type, trace_id=root.trace_id),
            )
            return False
        return True

    def _fetch(self, message: IncomingMessage) -> FetchResult:
        if not message.files:
            return FetchResult(paths=(), refused=())
        with self._observability.span("fetch files", files=len(message.files)) as span:
            result = self._downloads.fetch(message.files)
            span.set(fetched=len(result.paths), refused=len(result.refused))
        return result

    def _reply(
        self, message: IncomingMessage, agent: Agent, reply: Reply, root: ActiveSpan
    ) -> None:
        payload = {
            "agent": agent.name,
            "provider": reply.provider,
            "trace_id": root.trace_id,
            "bot_user_id": self._me.user,
        }
        with self._observability.span("reply", kind="producer") as span:
            span.set(characters=len(reply.text), text=self._settings.captured(reply.text))
            posted: list[str] = []
            for part in reply_messages(reply.text, payload=payload):
                answer = self._client.chat_postMessage(
                    channel=message.channel, thread_ts=message.root_ts, **part
                )
                posted.append(answer["ts"])
            span.set(**{"slack.reply_ts": posted})

    def _post(self, message: IncomingMessage, text: str) -> None:
        with self._observability.span("reply", kind="producer", characters=len(text)):
            self._client.chat_postMessage(
                channel=message.channel,
                thread_ts=message.root_ts,
                text=text,
                unfurl_links=False,
                unfurl_media=False,
            )

    # Reactions say how far a message is. They may fail; the answer may not fail with them.

    def _react(self, message: IncomingMessage, name: str) -> None:
        with self._reaction("add reaction", name):
            self._client.reactions_add(channel=message.channel, timestamp=message.ts, name=name)

    def _unreact(self, message: IncomingMessage, name: str) -> None:
        with self._reaction("remove reaction", name):
            self._client.reactions_remove(channel=message.channel, timestamp=message.ts, name=name)

    @contextmanager
    def _reaction(self, what: str, name: str) -> Iterator[None]:
        with self._observability.span(what, kind="client", emoji=name) as span:
            try:
                yield
            except SlackApiError as error:
                if error.response.get("error") not in ("already_reacted", "no_reaction"):
                    span.fail("slack_api", str(error.response.get("error")))
            except SLACK_ERRORS as error:
                span.fail(type(error).__name__, str(error))


def _speaker_name(thread: Thread) -> str | None:
    speaker = thread.active_speaker
    return None if speaker is None else speaker.agent or speaker.bot_id


def _usage(me: Me) -> str:
    return (
        f"Ask me something: <@{me.user}> _what is in this file?_ In a thread that I answered in, "
        "you need not mention me. `/trace help` shows what I remember."
    )


def _request(
    agent: Agent,
    message: IncomingMessage,
    prompt: str,
    history: tuple[HistoryMessage, ...],
    fetched: FetchResult,
) -> Request:
    return Request(
        prompt=prompt,
        mode=agent.mode,
        history=history,
        files=fetched.paths,
        platform="slack",
        channel=message.channel,
        thread_ts=message.root_ts,
    )


def _with_refusals(prompt: str, fetched: FetchResult) -> str:
    """The agent is told which files it does not have, so that it does not make them up."""
    notes = [f"(A file could not be read: {refusal.reason}.)" for refusal in fetched.refused]
    return "\n".join([prompt, *notes]).strip()
