"""Run one message's turn: decide, read, fetch, ask, reply, react. Each step is a span."""

import logging
import threading
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from slack_sdk import WebClient

from bot.agents.cancellation import DELETION, SHUTDOWN
from bot.agents.config.roster import Roster
from bot.concurrency.event_dedup import EventDedup
from bot.concurrency.fence import Fence, TakenOver
from bot.concurrency.lanes import Lanes
from bot.concurrency.logging_executor import LoggingExecutor
from bot.concurrency.running_turns import RunningTurn, RunningTurns
from bot.replies.buttons import Attempt, failure_buttons
from bot.replies.final_reply import TurnFailure
from bot.replies.messages import (
    ONCE_A_DAY,
    PASSING_REFUSALS,
    REFUSALS,
    broken_message,
    refusal_message,
    stopped_message,
    usage_message,
)
from bot.replies.notices import Notices
from bot.replies.unfinished import UnfinishedReplies
from bot.slack.conversation.conversation import ConversationReader
from bot.slack.errors import SLACK_ERRORS, error_code
from bot.slack.reactions import DONE, FAILED, READ, STOPPED, WAITING, Reactions, StatusReaction
from bot.slack.types import IncomingMessage
from bot.turns.accepted import (
    accepted_message,
    current_message,
    unfinished_id,
    unfinished_turn,
)
from bot.turns.agent_calls import AgentCalls
from bot.turns.budget_notice import BudgetNotices
from bot.turns.decider import Decider, Verdict
from bot.turns.decision import BotIdentity, Reason
from bot.turns.late_parts import LateParts
from reports.render.block_kit import section
from storage import ActiveSpan, Observability
from storage.coordination.accepted_messages import AcceptedMessage
from storage.model.erasure import EDITED
from storage.model.filters import TOGETHER
from storage.tracing.current import CurrentSpan

TURN_THREADS = 256
"""Far more than the turns that ask agents at once: a turn that waits for its slot keeps its thread,
and a message that only needs a decision must not wait for one."""

TAKEN_OVER_ERROR = "This process stood still, and another one went on."

NOT_ANY_MORE = "While it waited, its author lost the right to ask."

logger = logging.getLogger("tracebot.turn")


@dataclass(frozen=True, slots=True)
class Turn:
    """A message, its trace's root span, and the reaction that shows how far it is.

    `accepted` is what is stored of it until the turn has ended, None if it is not for the bot.
    """

    message: IncomingMessage
    root: ActiveSpan
    status: StatusReaction
    accepted: AcceptedMessage | None


class TurnHandler:
    """Answer messages. A failure to record or to react never stops an answer."""

    def __init__(
        self,
        *,
        client: WebClient,
        identity: BotIdentity,
        roster: Roster,
        decider: Decider,
        calls: AgentCalls,
        late_parts: LateParts,
        notices: Notices,
        reactions: Reactions,
        reader: ConversationReader,
        unfinished: UnfinishedReplies,
        lanes: Lanes,
        running: RunningTurns,
        fence: Fence,
        dedup: EventDedup,
        budget_notices: BudgetNotices,
        observability: Observability,
    ) -> None:
        self._client = client
        self._identity = identity
        self._roster = roster
        self._decider = decider
        self._calls = calls
        self._late_parts = late_parts
        self._notices = notices
        self._reactions = reactions
        self._reader = reader
        self._unfinished = unfinished
        self._lanes = lanes
        self._running = running
        self._fence = fence
        self._dedup = dedup
        self._budget_notices = budget_notices
        self._observability = observability
        self._stopping = threading.Event()
        self._marks = LoggingExecutor(TURN_THREADS, name="tracebot-mark")

    def open(
        self,
        message: IncomingMessage,
        root: ActiveSpan,
        *,
        position: str,
        left: Collection[str] = (),
    ) -> Turn:
        """Return the turn of *message*, not yet run.

        An earlier turn may have left the reactions *left* on the message.
        """

        def look_at_marks() -> None:
            if accepted is not None:
                self._unfinished.watch(unfinished_turn(message, root))

        accepted = accepted_message(
            message, self._identity, trace_id=root.trace_id, position=position
        )
        status = StatusReaction(
            self._reactions, message, self._marks, on_doubt=look_at_marks, left=left
        )
        return Turn(message, root, status, accepted)

    def show_waiting(self, turn: Turn) -> None:
        """Show that the thread is busy, if the message may be answered."""
        if self._decider.may_answer(turn.message):
            with self._observability.span("wait", parent=turn.root):
                turn.status.show_waiting()

    def as_it_is_now(self, turn: Turn) -> Turn | None:
        """Return the turn of a message that was edited while it waited; None if it was deleted."""
        assert turn.accepted is not None
        try:
            message = current_message(self._client, self._identity, turn.accepted)
        except SLACK_ERRORS as error:
            logger.warning("An edited message is answered as it was: %s", error_code(error))
            return turn
        if message is None:
            turn.root.fail("cancelled", f"Stopped by {DELETION}.", status="cancelled")
            self._observability.end_span(turn.root)
            return None
        turn.root.set(**{EDITED: message.edited})
        return replace(turn, message=message)

    def run(self, turn: Turn, *, claimed: bool) -> None:
        """Answer the message, or leave it, and end the root span.

        Without *claimed* another process answers it.
        """
        verdict = None
        if claimed and turn.accepted is not None:
            # From now on, so that a process that dies leaves no message that looks as if it was
            # read.
            self._unfinished.begin(unfinished_turn(turn.message, turn.root))
        with CurrentSpan(turn.root):
            try:
                verdict = self._decider.decide(turn.message, turn.root, claimed=claimed)
                self._tell_refused(verdict, trace_id=turn.root.trace_id)
                for refused in verdict.asked.refused:
                    self._budget_notices.tell(verdict.message, refused, trace_id=turn.root.trace_id)
                ending = self._answer(turn, verdict) if verdict.decision.answer else None
            except TakenOver:
                # Not a word to anybody: the other process tells how it ended.
                turn.root.fail("abandoned", TAKEN_OVER_ERROR, status="abandoned")
            except Exception:
                # Nobody works on the message any more, so it must not look as if somebody did.
                self._tell_broken(turn, verdict)
                raise
            else:
                # Elsewhere, it still waits or has the marks of its turn there.
                if verdict.decision.reason is not Reason.HANDLED_ELSEWHERE:
                    turn.status.show(ending)
            finally:
                turn.status.settle()
                self._unfinished.done(unfinished_id(turn.root))

    def _tell_broken(self, turn: Turn, verdict: Verdict | None) -> None:
        """Tell whoever waits for an answer that a fault of ours ended the turn."""
        mentioned = self._identity.user in turn.message.mentions
        if verdict.decision.answer if verdict else mentioned:
            turn.status.show(FAILED)
            self._notices.say(turn.message, broken_message(turn.root.trace_id))
        else:
            turn.status.show(None)

    def stop(self) -> None:
        """Ask no more agents. What waits is left to the next process."""
        self._stopping.set()

    def close(self) -> None:
        """Show no more marks but those that are on their way."""
        self._marks.shutdown(wait=False)

    def _answer(self, turn: Turn, verdict: Verdict) -> str | None:
        """Return the reaction that says how the turn ended, if an agent was asked."""
        message = verdict.message
        if self._stopping.is_set():
            return self._leave(turn)
        # Names are known now to whoever reads the record, as to the agent.
        self._record_text(turn, message)
        prompt = self._reader.prompt(verdict.asked.prompt, message)
        if not prompt and not message.files:
            self._notices.say(message, usage_message(self._identity.user, self._roster.names))
            return None
        turn.root.set(agent=TOGETHER.join(agent.name for agent in verdict.asked.agents))
        self._unfinished.wait_until_stored(unfinished_id(turn.root))
        waited = False

        def on_wait() -> None:
            nonlocal waited
            waited = True
            turn.status.show(WAITING)

        with self._running.running(_running_turn(turn, verdict), on_wait=on_wait) as cancellation:
            # Asked again: the bot may have begun to stop while this turn waited for its slot.
            if self._stopping.is_set():
                return self._leave(turn)
            self._fence.require(turn.root.trace_id)
            if waited and (now := self._decider.still(verdict)) is not verdict:
                verdict = now
                self._tell_refused(verdict, trace_id=turn.root.trace_id)
                if not verdict.asked.agents:
                    reason = verdict.asked.refused[0].reason
                    turn.root.fail(reason.value, NOT_ANY_MORE, status="cancelled")
                    return None
            turn.status.show(READ)
            whole = self._late_parts.awaited(message, cancellation)
            if whole is not message:
                verdict = replace(verdict, message=whole)
                self._record_text(turn, whole)
                prompt = self._reader.prompt(verdict.asked.prompt, whole)
            return _ending(self._calls.ask(prompt, verdict, turn.root, cancellation))

    def _record_text(self, turn: Turn, message: IncomingMessage) -> None:
        if message.is_by_asker:
            turn.root.set(text=self._reader.stored(message.content))

    def _leave(self, turn: Turn) -> str:
        """Leave a message to the next process, or tell its author to ask again."""
        turn.root.fail("cancelled", f"Stopped by {SHUTDOWN}.", status="cancelled")
        if self._lanes.leave(turn.root.trace_id):
            return WAITING
        self._notices.say(turn.message, stopped_message(SHUTDOWN))
        return STOPPED

    def _tell_refused(self, verdict: Verdict, *, trace_id: str) -> None:
        """Tell the author which agents were not asked, and why.

        A rule is told once a day in each channel, but each time to those who pressed a button;
        what passes is told each time, with *Try again*.
        """
        message = verdict.message
        if message.of_workflow:
            return
        person = f"{message.team}:{message.channel}:{message.user}"
        pressed = message.asked_again is not None
        refused: dict[Reason, list[str]] = defaultdict(list)
        for each in verdict.asked.refused:
            if each.reason in REFUSALS:
                refused[each.reason].append(each.agent)
        for reason, agents in refused.items():
            if reason in PASSING_REFUSALS:
                for agent in agents:
                    text = refusal_message([agent], reason)
                    again = failure_buttons(Attempt(trace_id, message.ts, agent), ())
                    self._notices.tell(message, text, [section(text), again])
            # A lease of a day, so that restarts and other processes do not tell it again.
            elif pressed or self._dedup.claim(f"refused:{person}:{reason.value}"):
                note = "" if pressed else f" {ONCE_A_DAY}"
                self._notices.tell(message, refusal_message(agents, reason) + note)


def _running_turn(turn: Turn, verdict: Verdict) -> RunningTurn:
    message = verdict.message
    return RunningTurn(
        trace_id=turn.root.trace_id,
        team=message.team,
        channel=message.channel,
        thread_ts=message.root_ts,
        message_ts=message.ts,
        user=message.user,
        audience=verdict.audience,
    )


def _ending(failures: Sequence[TurnFailure]) -> str:
    """Return the reaction for a turn that ended with *failures*."""
    if any(failure.status == "cancelled" for failure in failures):
        return STOPPED
    if any(failure.is_late for failure in failures):
        return WAITING  # The repair marks it once its answer is posted.
    return FAILED if failures else DONE
