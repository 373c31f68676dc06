"""Record a week of a team without playing it, so that reports have something to show.

The story is the fortnight's. The bot plays that in a sandbox, which takes seconds; here its agents
are asked directly, in this process, and the rest of a turn is recorded as the bot would.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.access import audience_of
from bot.agents.errors import AgentCrashed, AgentError, AgentTimeout
from bot.agents.invocation import invoke, status_of
from bot.agents.types import Agent, Progress, Reply, Request, ToolStatus, ToolUse
from bot.cli.fortnight.clock import SECOND_NS, StoryClock
from bot.cli.fortnight.programs import CRASH, OVERLOADED
from bot.cli.fortnight.stage import DIRECT
from bot.cli.fortnight.story import (
    TIMEOUT_S,
    Attempt,
    Question,
    ShellRun,
    Story,
    Talk,
    Thumb,
    Tool,
)
from bot.sandbox import Channel, Sandbox, User
from bot.turns.decision import Reason
from storage import Observability
from storage.model.records import FEEDBACK
from storage.tracing.current import CurrentSpan

REPLYING_S = 0.2


@dataclass(frozen=True, slots=True)
class StoryProvider:
    """A provider that plays an attempt of the story at once, and moves the story's clock."""

    attempt: Attempt
    clock: StoryClock

    @property
    def name(self) -> str:
        return self.attempt.program

    @property
    def model(self) -> str | None:
        return self.attempt.model

    def answer(self, request: Request) -> Reply:
        attempt = self.attempt
        self.clock.pass_seconds(attempt.first_s)
        for number, tool in enumerate(attempt.tools):
            self._use(f"tool-{number}", tool, request)
        if attempt.ending != "answer":
            raise self._error()
        self.clock.pass_seconds(attempt.writing_s)
        return Reply(
            text=attempt.text,
            provider=attempt.program,
            model=attempt.model,
            input_tokens=attempt.input_tokens,
            output_tokens=attempt.output_tokens,
            cached_tokens=attempt.cached_tokens,
            cost=attempt.cost,
            cost_source=None if attempt.cost is None else "reported",
            tool_calls=len(attempt.tools),
            first_output_ns=round(attempt.first_s * SECOND_NS),
        )

    def _use(self, id_: str, tool: Tool, request: Request) -> None:
        title = f"{tool.name}: {tool.about}"
        request.on_progress(Progress(tool=ToolUse(id=id_, title=title)))
        self.clock.pass_seconds(tool.seconds)
        status: ToolStatus = "error" if tool.failed else "complete"
        request.on_progress(Progress(tool=ToolUse(id=id_, output=tool.output, status=status)))

    def _error(self) -> AgentError:
        name, ending = self.attempt.program, self.attempt.ending
        if ending == "timeout":
            worked_s = self.attempt.first_s + sum(tool.seconds for tool in self.attempt.tools)
            self.clock.pass_seconds(TIMEOUT_S - worked_s)
            return AgentTimeout(f"{name} did not answer within {TIMEOUT_S} s and was stopped.")
        self.clock.pass_seconds(self.attempt.writing_s)
        if ending == "overloaded":
            return AgentError("quota", f"{name} is overloaded ({OVERLOADED}).")
        said = CRASH.format(program=name).strip()
        return AgentCrashed(f"{name} ended with exit code 1: {said}", exit_code=1)


class WeekRecorder:
    """Records the events of a story in the channels of a sandbox, by the names of both."""

    def __init__(
        self,
        story: Story,
        sandbox: Sandbox,
        people: Mapping[str, User],
        channels: Mapping[str, Channel],
        observability: Observability,
    ) -> None:
        self._story = story
        self._sandbox = sandbox
        self._people = people
        self._channels = channels
        self._observability = observability
        self._clock = StoryClock(story.begins_at)
        self._thread_ts = ""

    def record(self) -> None:
        """Record all questions, small talk and shell runs.

        Time only moves for the calling thread: the bot may run meanwhile.
        """
        with self._clock.moved(only_here=True):
            for event in self._story.events:
                self._clock.go_to(self._story.begins_at + round(event.at * SECOND_NS))
                match event:
                    case Question():
                        self._ask(event)
                    case Talk():
                        self._leave_alone(event)
                    case ShellRun():
                        self._run(event)

    def _ask(self, question: Question) -> None:
        with self._message(question, decision="answer", follows=question.follows) as root:
            root.set(text=question.text, agent=question.agent)
            self._decide("answer", self._reason(question))
            providers = tuple(StoryProvider(each, self._clock) for each in question.attempts)
            agent = Agent(name=question.agent, providers=providers)
            request = Request(prompt=question.text, captured=lambda text: text)
            try:
                reply = invoke(agent, request, observability=self._observability)
            except AgentError as error:
                root.fail(error.error_type, error.message, status=status_of(error))
            else:
                with self._observability.span("reply", kind="producer", text=reply.text):
                    self._clock.pass_seconds(REPLYING_S)
        if question.thumb is not None:
            self._rate(root.trace_id, question.thumb)

    def _leave_alone(self, talk: Talk) -> None:
        with self._message(talk, decision="skip"):
            self._decide("skip", Reason.NOT_MENTIONED)

    def _message(
        self, said: Question | Talk, *, decision: str, follows: bool = False
    ) -> CurrentSpan:
        """Record the root span of a message for a `with` block."""
        user, team, ts = self._people[said.person], self._sandbox.team_id, self._now()
        place = self._channels.get(said.channel) or self._sandbox.open_dm(user)
        self._thread_ts = self._thread_ts if follows else ts
        return self._observability.span(
            "slack message",
            kind="consumer",
            decision=decision,
            audience=audience_of(team=team, channel=place.id, kind=place.kind, user=user.id),
            team=team,
            channel=place.id,
            thread_ts=self._thread_ts,
            message_ts=ts,
            user=user.id,
        )

    def _decide(self, decision: str, reason: Reason) -> None:
        with self._observability.span("decide", decision=decision, reason=reason.value):
            pass

    @staticmethod
    def _reason(question: Question) -> Reason:
        if question.channel == DIRECT:
            return Reason.DIRECT_MESSAGE
        return Reason.ACTIVE_SPEAKER if question.follows else Reason.MENTIONED

    def _rate(self, trace_id: str, thumb: Thumb) -> None:
        self._observability.record_score(
            trace_id,
            name=FEEDBACK,
            user=self._people[thumb.person].id,
            value=None if thumb.taken_back else float(thumb.up),
            label="+1" if thumb.up else "-1",
            text=thumb.reason or None,
        )

    def _run(self, shell: ShellRun) -> None:
        name = f"run {shell.command[0]}"
        with self._observability.span(name, kind="client", platform="cli") as span:
            self._clock.pass_seconds(shell.seconds)
            if shell.exit_code:
                span.fail("exit_code", f"exit code {shell.exit_code}")

    def _now(self) -> str:
        return f"{self._clock.now() / SECOND_NS:.6f}"
