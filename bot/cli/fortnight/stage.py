"""Play a story: the real bot in a sandbox, people who write, programs that answer."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.app import build_bot
from bot.cli import forwarder
from bot.cli.commands import run
from bot.cli.fortnight.clock import SECOND_NS, StoryClock
from bot.cli.fortnight.programs import Programs
from bot.cli.fortnight.story import (
    Event,
    McpCall,
    Minutes,
    Order,
    Question,
    ShellRun,
    Story,
    Talk,
    Thumb,
)
from bot.lifecycle import Bot, connect
from bot.replies.buttons import FEEDBACK
from bot.replies.reason_modal import TEXT
from bot.sandbox import Channel, Message, Sandbox, User
from bot.settings import DefaultSettings, load_settings
from bot.slack.connection.status import note_connection
from storage import Observability
from storage.database.models import ScoreRow, TraceRow

DIRECT = "direct"
"""Stands for the direct message of a person and the bot in place of a channel."""

PATIENCE_S = 30.0
LOOK_S = 0.01
"""How long a wait lasts at most, and how often it looks, in seconds."""


class Stage:
    """The people and channels of a story, with the bot among them.

    Programs and agents file are created in *folder*. The bot runs until `stop` is called.
    """

    def __init__(
        self, story: Story, sandbox: Sandbox, observability: Observability, folder: Path
    ) -> None:
        self.sandbox = sandbox
        self.people, self.channels = move_in(story, sandbox)
        self._story = story
        self._observability = observability
        self._clock = StoryClock(story.begins_at)
        self._programs = Programs(folder / "programs", self._clock)
        self.bot = self._start_bot()
        self._asked: Message | None = None
        self._ratings = 0
        self._heard: set[str] = set()

    def _start_bot(self) -> Bot:
        settings = load_settings(
            DefaultSettings,
            SLACK_BOT_TOKEN=self.sandbox.bot_token,
            SLACK_APP_TOKEN=self.sandbox.app_token,
            SLACK_API_URL=self.sandbox.api_url,
            database_url=str(self._observability.database.path),
        )
        roster, observability = self._programs.roster(), self._observability
        bot = build_bot(settings, roster=roster, observability=observability)
        connect(bot, settings)
        self.sandbox.wait_for_app()
        return bot

    def play(self) -> Iterator[Event]:
        """Let everything happen, one thing after the other; yield each event when it is over."""
        with self._clock.moved():
            for event in self._story.events:
                self._clock.go_to(self._story.begins_at + round(event.at * SECOND_NS))
                self._happen(event)
                yield event

    def stop(self) -> None:
        """Stop the bot, and note in the record that it was stopped, as one that serves does."""
        self.bot.stop(grace=0)
        note_connection(
            self._observability.database,
            self.bot.status,
            team=self.sandbox.team_id,
            now=time.time_ns(),
            stopped=True,
        )

    def said_unasked(self) -> list[tuple[str, str]]:
        """Return the channels and texts of the bot's new messages outside of threads."""
        new = [
            (name, message)
            for name, channel in self.channels.items()
            for message in self.sandbox.messages(channel)
            if message.user == self.sandbox.bot_user_id
            and message.thread_ts in (None, message.ts)
            and message.ts not in self._heard
        ]
        self._heard.update(message.ts for _, message in new)
        return [(name, message.text) for name, message in new]

    def _happen(self, event: Event) -> None:
        match event:
            case Question():
                self._ask(event)
            case Talk():
                self._say(event.person, event.channel, event.text)
            case Order():
                self._order(event)
            case ShellRun():
                self._run(event)
            case McpCall():
                self._call(event)
            case Minutes():
                self._let_pass(event.count)

    def _ask(self, question: Question) -> None:
        for attempt in question.attempts:
            self._programs.will(attempt)
        thread, text = self._asked if question.follows else None, question.text
        if thread is None:
            name = "" if question.agent == "claude" else f"@{question.agent} "
            mention = "" if question.channel == DIRECT else f"{self.sandbox.mention} "
            text = f"{mention}{name}{text}"
        said = self._say(
            question.person, question.channel, text, thread_ts=thread.ts if thread else None
        )
        self._asked = thread or said
        if question.thumb is not None:
            self._rate(said, question.thumb)

    def _say(
        self, person: str, channel: str, text: str, *, thread_ts: str | None = None
    ) -> Message:
        """Post a message, and wait until its turn has ended and is stored."""
        user = self.people[person]
        place = self.sandbox.open_dm(user) if channel == DIRECT else self.channels[channel]
        said = self.sandbox.post(user, place, text, thread_ts=thread_ts)
        ended = TraceRow.select().where(
            TraceRow.message_ts == said.ts, TraceRow.ended_at.is_null(False)
        )
        self._wait_until(lambda: ended.exists(self._observability.database), text)
        return said

    def _order(self, order: Order) -> None:
        text = order.text.format(**{name: each.id for name, each in self.channels.items()})
        self.sandbox.command(
            self.people[order.person], self.channels[order.channel], "/trace", text, timeout=20.0
        )

    def _rate(self, question: Message, thumb: Thumb) -> None:
        user, emoji = self.people[thumb.person], "+1" if thumb.up else "-1"
        thread = self.sandbox.thread(question.channel, question.thread_ts or question.ts)
        reply = next(each for each in reversed(thread) if each.user == self.sandbox.bot_user_id)
        self._clock.pass_seconds(40)
        if thumb.button:
            self._press(user, reply, emoji, thumb.reason)
        else:
            self.sandbox.react(user, reply, emoji)
        self._rated(+1)
        if thumb.taken_back:
            self._clock.pass_seconds(20)
            self.sandbox.unreact(user, reply, emoji)
            self._rated(-1)

    def _press(self, user: User, reply: Message, emoji: str, reason: str) -> None:
        (thumbs,) = [each for each in reply.blocks if each["type"] == "context_actions"]
        key = "positive_button" if emoji == "+1" else "negative_button"
        opened = len(self.sandbox.calls("views.open"))
        value = thumbs["elements"][0][key]["value"]
        self.sandbox.click(user, reply, FEEDBACK, value=value)
        if reason:
            self.sandbox.wait_for_call("views.open", count=opened + 1)
            self.sandbox.submit(user, {TEXT: {TEXT: {"type": "plain_text_input", "value": reason}}})
            explained = ScoreRow.select().where(ScoreRow.text == reason)
            self._wait_until(lambda: explained.exists(self._observability.database), reason)

    def _rated(self, more: int) -> None:
        self._ratings += more
        counted = ScoreRow.select().where(ScoreRow.value.is_null(False))
        database = self._observability.database
        self._wait_until(lambda: counted.count(database) == self._ratings, "a thumb")

    def _run(self, shell: ShellRun) -> None:
        """Run a command as `tracebot run` does. It ends when the story's time for it is over."""
        name, *arguments = shell.command
        pipe = self._programs.command(name, shell.exit_code)

        def let_work() -> None:
            with pipe.open("w"):  # Waits until the command has begun to read.
                self._clock.pass_seconds(shell.seconds)

        working = threading.Thread(target=let_work)
        working.start()
        command = [str(pipe.with_suffix("")), *arguments]
        with _signals_kept():
            run.run(command, database=str(self._observability.database.path), environ={})
        working.join()

    def _call(self, call: McpCall) -> None:
        """Call a tool of an MCP server, which records the call itself."""
        database = self._observability.database.path
        with (
            Observability.open(database, platform="mcp", environ={}) as recorder,
            recorder.span(f"tools/call {call.tool}", kind="server") as span,
        ):
            span.set(**{"mcp.method.name": "tools/call", "gen_ai.tool.name": call.tool})
            self._clock.pass_seconds(call.seconds)
            recorder.record_metric("docs.found", call.found, {"tool": call.tool})
            level = "info" if call.found else "warning"
            recorder.log_structured(level, f"{call.tool} found {call.found} documents.")

    def _let_pass(self, minutes: int) -> None:
        for _ in range(minutes):
            self.bot.scheduler.tick(now=self._clock.now())
            self._clock.pass_seconds(60)

    def _wait_until(self, is_so: Callable[[], bool], what: str) -> None:
        # By a clock of its own: that of the story stands still meanwhile.
        for _ in range(round(PATIENCE_S / LOOK_S)):
            self._observability.flush()
            if is_so():
                return
            time.sleep(LOOK_S)
        raise TimeoutError(f"The story does not go on after: {what}")


def move_in(story: Story, sandbox: Sandbox) -> tuple[dict[str, User], dict[str, Channel]]:
    """Add the people and channels of a story to a workspace; return them by name."""
    people = {
        each.name: sandbox.add_user(each.name, tz=each.zone, admin=each.admin)
        for each in story.people
    }
    channels = {
        each.name: sandbox.add_channel(
            each.name, [people[name] for name in each.members], private=each.private
        )
        for each in story.channels
    }
    return people, channels


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Take back the handlers of signals that `tracebot run` leaves to the end of its process."""
    numbers = (*forwarder.FORWARDED, *forwarder.FROM_TERMINAL)
    handlers = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
