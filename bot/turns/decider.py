"""Decide on incoming messages: ask Slack what the decision depends on, and record it."""

import logging
from dataclasses import dataclass, replace

from bot.access import audience_of
from bot.slack.directory import Directory, channel_type
from bot.slack.errors import SLACK_ERRORS
from bot.slack.threads import ThreadRead, ThreadReader
from bot.slack.types import IncomingMessage
from bot.turns.asked import AgentChoice, Asked
from bot.turns.budget_check import BudgetCheck
from bot.turns.decision import (
    MOST_ANSWERS_TO_WORKFLOWS,
    BotIdentity,
    Decision,
    Reason,
    settled,
    settled_by_thread,
)
from storage import ActiveSpan, Observability
from storage.model.erasure import HEARD
from storage.model.semconv import READ_THREAD

logger = logging.getLogger("tracebot.decider")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision on a message, and what was found out on the way.

    `message` knows its channel type, if Slack tells it. `thread` was read if the decision or an
    answer depends on it. `asked` has the agents, if the message is for them. `audience` says who
    can see the trace; see `storage.model.span.Span`.
    """

    message: IncomingMessage
    decision: Decision
    thread: ThreadRead | None
    asked: Asked
    audience: str


class Decider:
    """Decide if a message is answered. Rules are in `decision`; this class collects the facts."""

    def __init__(
        self,
        *,
        identity: BotIdentity,
        directory: Directory,
        threads: ThreadReader,
        choice: AgentChoice,
        budgets: BudgetCheck,
        observability: Observability,
    ) -> None:
        self._identity = identity
        self._directory = directory
        self._threads = threads
        self._choice = choice
        self._budgets = budgets
        self._observability = observability

    def decide(self, message: IncomingMessage, root: ActiveSpan, *, claimed: bool) -> Verdict:
        """Decide on *message* and record the decision in *root* and in a span below it.

        *claimed* is False if another process has claimed the message and handles it.
        """
        message = self._with_channel_type(message)
        audience = audience_of(
            team=message.team,
            channel=message.channel,
            kind=message.channel_type or "group",  # Unknown counts as private.
            user=message.user,
        )
        # Before the first child starts: spans inherit the audience, which decides who sees them.
        root.set(audience=audience)
        if claimed:
            decision, thread = self._decide(message)
        else:
            decision, thread = Decision(False, Reason.HANDLED_ELSEWHERE), None
        asked, rule = Asked(), decision.reason
        if decision.answer:
            asked = self._choice.of(
                message, thread.thread(self._is_bot).active_speaker if thread else None
            )
            asked = self._budgets.checked(asked, message, trace_id=root.trace_id)
            if not asked.agents:  # Then at least one agent was refused, each with a reason.
                decision = Decision(False, asked.refused[0].reason)
        root.set(decision="answer" if decision.answer else "skip")
        verdict = Verdict(message, decision, thread, asked, audience)
        self._record(verdict, rule)
        return verdict

    def still(self, verdict: Verdict) -> Verdict:
        """Return the verdict on a message that had to wait: who may ask may have changed."""
        asked = self._choice.still(verdict.asked, verdict.message)
        return verdict if asked is verdict.asked else replace(verdict, asked=asked)

    def may_answer(self, message: IncomingMessage) -> bool:
        """Return False if *message* will not be answered, whatever its thread says by then."""
        message = self._with_channel_type(message)
        decision = self._settled(message)
        return (decision is None or decision.answer) and self._choice.may_ask_any(message)

    def _decide(self, message: IncomingMessage) -> tuple[Decision, ThreadRead | None]:
        decision = self._settled(message)
        if decision is None:
            thread = self._read(message)
            return settled_by_thread(message, thread.thread(self._is_bot), self._identity), thread
        if not decision.answer or not message.in_thread:
            return decision, None
        thread = self._read(message)  # An answer needs its history.
        if message.of_workflow:
            alone = thread.answers_without_people(self._is_bot)
            if alone >= MOST_ANSWERS_TO_WORKFLOWS:
                return Decision(False, Reason.ONLY_BOTS_TALK), thread
        return decision, thread

    def _settled(self, message: IncomingMessage) -> Decision | None:
        mentioned = message.mentions - {self._identity.user}
        other_bots = frozenset(user for user in mentioned if self._is_bot(user))
        # An app may post with a person's token: the message has its id, and is the person's.
        by_bot = bool(message.bot_id and message.user) and self._is_bot(message.user)
        return settled(message, self._identity, other_bots=other_bots, by_bot=by_bot)

    def _with_channel_type(self, message: IncomingMessage) -> IncomingMessage:
        """Return *message* with the type of its channel, which an `app_mention` does not tell."""
        if message.channel_type is not None:
            return message
        try:
            kind = channel_type(self._directory.channel(message.channel))
        except SLACK_ERRORS as error:
            logger.warning("The type of channel %s is not known: %s", message.channel, error)
            return message
        return replace(message, channel_type=kind)

    def _is_bot(self, user: str) -> bool:
        try:
            return bool(self._directory.user(user).get("is_bot"))
        except SLACK_ERRORS:
            return False  # One answer too many is better than silence.

    def _read(self, message: IncomingMessage) -> ThreadRead:
        with self._observability.span(READ_THREAD, kind="client") as span:
            read = self._threads.read(message.channel, message.root_ts)
            earlier = read.earlier(before=message.ts)
            span.set(
                messages=len(earlier),
                characters=sum(len(each.get("text") or "") for each in earlier),
                cache="hit" if read.cached else "miss",
                thread_length=len(read.messages or ()),
                # The authors may ask to be forgotten, and this turn's agent may quote them.
                **{HEARD: read.authors(before=message.ts)},
            )
            if read.messages is None:
                span.fail("thread_unreadable", "Slack does not show the thread.")
        return read

    def _record(self, verdict: Verdict, rule: Reason) -> None:
        """Record the decision with what `tracebot rehearse` needs to make it again.

        *rule* is why the message is for the bot or not, before any permission is checked.
        """
        message, decision, asked = verdict.message, verdict.decision, verdict.asked
        speaker = verdict.thread.thread(self._is_bot).active_speaker if verdict.thread else None
        with self._observability.span("decide") as span:
            span.set(
                decision="answer" if decision.answer else "skip",
                reason=decision.reason.value,
                active_speaker=None if speaker is None else speaker.agent or speaker.bot_id,
                channel_type=message.channel_type,
                in_thread=message.in_thread,
                rule=rule.value,
                asker=asked.asker and asked.asker.value,
                chosen_by=asked.chosen_by and asked.chosen_by.value,
            )
            if asked.agents:
                span.set(agents=[agent.name for agent in asked.agents])
            if refused := asked.refused:
                span.set(refused=[f"{each.agent}: {each.reason.value}" for each in refused])
