"""Let people talk with the bot in the demo's workspace, and print what they see."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.cli.commands.transcript import EMOJI
from bot.cli.demo.agents import ENDLESS, NOTES, SLOW, THEN
from bot.sandbox import Channel, Message, Sandbox, User
from reports.formatting import cost, duration, reason, token_pair
from storage import Observability
from storage.database.models import ScoreRow, TraceRow

if TYPE_CHECKING:
    from bot.cli.demo.screen import Screen

File = tuple[str, str, bytes]
"""Name, type and content."""

NEWS = ("CHANGELOG.md", "text/markdown", b"## 2.4\n- digests at local time\n")

PATIENCE_S = 30.0
LOOK_S = 0.02
"""How long a wait lasts at most, and how often it looks, in seconds."""


@dataclass(frozen=True, slots=True)
class Played:
    """Messages to ask about: one that begins a thread, one that was answered, one left alone."""

    thread: Message
    answered: Message
    left_alone: Message


class Conversation:
    """People of the story in its channels, by name.

    They all talk at the same time; what they say is printed one conversation after the other. The
    file *watched* is created once a reply has been seen to grow.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        people: Mapping[str, User],
        channels: Mapping[str, Channel],
        observability: Observability,
        watched: Path,
    ) -> None:
        self._sandbox = sandbox
        self._people = people
        self._channels = channels
        self._observability = observability
        self._watched = watched

    def begin(self) -> None:
        """Say what waits for no answer, the slow questions first."""
        self._slow = self._ask("alice", "incidents", SLOW)
        self._endless = self._ask("carol", "incidents", ENDLESS)
        self._chat = self._post("bob", "general", "lunch, anyone?")
        self._notes = self._ask("carol", "general", NOTES, NEWS)

    def play(self, screen: "Screen") -> Played:
        """Play the rest, and print all."""
        self._screen = screen
        screen.heading("#general")
        screen.said("bob", self._chat.text)
        screen.note(f"left alone: {reason(self._ended(self._chat).reason)}")
        screen.said("carol", f"@tracebot {NOTES}  [{NEWS[0]}]")
        self._hear(self._notes)
        # Nothing waits for what has its turn only in print: Slack shows no reply in its first
        # second, in which all of the above is answered.
        then = self._post("carol", "general", THEN, thread_ts=self._notes.ts)
        growing, endless = self._watch(self._slow), self._watch(self._endless)
        self._watched.touch()
        self._sandbox.stop_agent(self._people["carol"], self._endless.channel, self._endless.ts)
        screen.said("carol", THEN)
        self._hear(then)
        screen.heading("#incidents")
        screen.said("alice", f"@tracebot {SLOW}")
        screen.said("tracebot", growing, style="italic")
        self._hear(self._slow, who="")
        self._rate("bob", self._slow)
        screen.said("carol", f"@tracebot {ENDLESS}")
        screen.said("tracebot", endless, style="italic")
        screen.said("carol", "[presses Stop]")
        self._ended(self._endless)
        screen.said("tracebot", self._text(self._endless).rpartition("\n")[2])
        return Played(thread=self._notes, answered=self._slow, left_alone=self._chat)

    def _ask(self, person: str, channel: str, text: str, *files: File) -> Message:
        return self._post(person, channel, f"{self._sandbox.mention} {text}", *files)

    def _post(
        self, person: str, channel: str, text: str, *files: File, thread_ts: str | None = None
    ) -> Message:
        return self._sandbox.post(
            self._people[person], self._channels[channel], text, files=files, thread_ts=thread_ts
        )

    def _watch(self, question: Message) -> str:
        """Return what the reply says while its agent still works, once it shows a tool."""
        self._wait_until(lambda: bool(self._tools(question)))
        return f"{self._text(question)} …"

    def _hear(self, question: Message, *, who: str = "tracebot") -> None:
        """Print the answer with its tools and figures, once it is complete.

        *who* is empty if the beginning of the reply has been printed.
        """
        trace = self._ended(question)
        for title in self._tools(question):
            self._screen.note(f"✓ {title}")
        self._screen.said(who, self._text(question))
        figures = (
            str(trace.agent),
            duration(trace.duration_ns),
            f"{token_pair(trace.input_tokens, trace.output_tokens)} tokens",
            cost(trace.cost),
        )
        self._screen.note(" · ".join(figures))

    def _rate(self, person: str, question: Message) -> None:
        reply = self._reply(question)
        assert reply is not None
        self._sandbox.react(self._people[person], reply, "+1")
        self._screen.said(person, "👍")
        rated = ScoreRow.select().where(ScoreRow.trace_id == self._ended(question).trace_id)
        self._wait_until(lambda: rated.exists(self._observability.database))

    def _tools(self, question: Message) -> list[str]:
        """Return the tools that the reply shows."""
        reply = self._reply(question)
        blocks = reply.blocks if reply else []
        tasks = [task for block in blocks for task in block.get("tasks", ())]
        return [task["title"] for task in tasks if task["task_id"].startswith("tool-")]

    def _text(self, question: Message) -> str:
        reply = self._reply(question)
        text = reply.text.strip() if reply else ""
        for name, person in self._people.items():
            text = text.replace(person.mention, f"@{name}")
        for name, sign in EMOJI.items():
            text = text.replace(name, sign)
        return text

    def _reply(self, question: Message) -> Message | None:
        thread = self._sandbox.thread(question.channel, question.thread_ts or question.ts)
        later = (each for each in reversed(thread) if each.ts > question.ts)
        return next((each for each in later if each.user == self._sandbox.bot_user_id), None)

    def _ended(self, question: Message) -> TraceRow:
        """Wait until the turn of a message is over, and return its trace."""
        self._wait_until(lambda: self._is_over(question))
        trace: TraceRow = self._turn(question).get(self._observability.database)
        return trace

    def _is_over(self, question: Message) -> bool:
        self._observability.flush()
        return bool(self._turn(question).exists(self._observability.database))

    def _turn(self, question: Message) -> Any:
        """Return the query for the trace of a message whose turn is over."""
        return TraceRow.select().where(
            TraceRow.message_ts == question.ts, TraceRow.ended_at.is_null(False)
        )

    def _wait_until(self, is_so: Callable[[], bool]) -> None:
        # Not the sandbox's own way of waiting: it looks only when the workspace has changed.
        deadline = time.monotonic() + PATIENCE_S
        while not is_so():
            if time.monotonic() > deadline:
                raise TimeoutError("The demo does not go on: see docs/troubleshooting.md.")
            time.sleep(LOOK_S)
