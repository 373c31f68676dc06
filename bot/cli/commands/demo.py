"""`tracebot demo`: play a short conversation with the real bot in a workspace on this machine."""

import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from bot.agents.config.roster import load_roster
from bot.app import build_bot
from bot.cli.commands.transcript import block_text
from bot.cli.exit_codes import DONE
from bot.cli.manifest import manifest_path
from bot.lifecycle import connect
from bot.sandbox import Channel, Message, Sandbox, User
from bot.sandbox.state.manifest import Manifest
from bot.settings import load_settings
from reports.formatting import visible
from storage import Observability
from storage.database.models import ScoreRow

AGENTS = """\
default = "echo"

[agents.echo]
provider = "echo"

[agents.flaky]
provider = "command"
command = ["{python}", "-c", "import sys; sys.exit('the model is overloaded')"]

[channels]
{incidents} = "flaky"
"""

NOTES = b"""Release 2.4
- digests at local time
- files are read before the agent starts
"""

ANSWERED = frozenset(("white_check_mark", "x"))
"""The reactions that the bot adds to a question once it has answered, or failed."""


class Stage:
    """Acts for the people in the workspace, and prints what Slack would show them."""

    def __init__(self, sandbox: Sandbox, console: Console) -> None:
        self.sandbox = sandbox
        self.console = console
        self.names: dict[str, str] = {sandbox.bot_user_id: "tracebot"}

    def person(self, name: str) -> User:
        user = self.sandbox.add_user(name, tz="Europe/Berlin")
        self.names[user.id] = name
        return user

    def channel(self, name: str, *members: User) -> Channel:
        channel = self.sandbox.add_channel(name, members)
        self.names[channel.id] = name
        return channel

    def say(
        self,
        user: User,
        channel: Channel,
        text: str,
        *,
        thread_ts: str | None = None,
        file: tuple[str, str, bytes] | None = None,
    ) -> Message:
        message = self.sandbox.post(
            user, channel, text, thread_ts=thread_ts, files=[file] if file else []
        )
        attached = f"  [📎 {file[0]}]" if file else ""
        self.show(self.names[user.id], channel, text + attached, reply=thread_ts is not None)
        return message

    def hear(self, channel: Channel, question: Message) -> Message:
        """Wait for the bot's next reply in the thread of `question`, and print it."""
        thread_ts = question.thread_ts or question.ts

        def answers() -> list[Message]:
            thread = self.sandbox.thread(channel, thread_ts)
            mine = [m for m in thread if m.user == self.sandbox.bot_user_id]
            return [message for message in mine if float(message.ts) > float(question.ts)]

        self.sandbox.wait_until(lambda: bool(answers()))
        answer = answers()[0]
        self.show("tracebot", channel, answer.text, reply=True)
        self.sandbox.wait_until(lambda: self._is_done(channel, question))
        return answer

    def _is_done(self, channel: Channel, question: Message) -> bool:
        return not ANSWERED.isdisjoint(self.sandbox.reactions(channel, question.ts))

    def show(self, who: str, channel: Channel, text: str, *, reply: bool) -> None:
        for user, name in self.names.items():
            text = text.replace(f"<@{user}>", f"@{name}")
        place = f"#{channel.name}" if channel.name else "direct message"
        head = f"{'    ↳ ' if reply else '  '}{place}  {who}: "
        first, *rest = text.splitlines() or [""]
        self.console.print(f"[dim]{head}[/]{plain(first)}")
        for line in rest:
            self.console.print(" " * len(head) + plain(line))


def demo(*, keep: bool) -> int:
    """Play the conversation; with `keep`, keep the workspace open until Ctrl-C."""
    began = time.monotonic()
    console = Console(highlight=False, soft_wrap=True)
    folder = Path(tempfile.mkdtemp(prefix="tracebot-demo-"))
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox.start(read_manifest()))
        stage = Stage(sandbox, console)
        alice, bob = stage.person("alice"), stage.person("bob")
        general = stage.channel("general", alice, bob)
        incidents = stage.channel("incidents", alice, bob)
        observability = stack.enter_context(
            Observability.open(folder / "tracebot.db", platform="slack")
        )
        _start_bot(stack, sandbox, observability, folder, incidents)
        console.print("[bold]A workspace on this machine, with the real bot in it[/]\n")
        question = _talk(stage, alice, bob, general, incidents)
        _wait_for_score(observability)
        _ask(stage, alice, general, question)
        _say_what_next(console, folder, took=time.monotonic() - began)
        if keep:
            stay(console, sandbox)
        observability.database.close()
    return DONE


def _start_bot(
    stack: ExitStack,
    sandbox: Sandbox,
    observability: Observability,
    folder: Path,
    incidents: Channel,
) -> None:
    settings = load_settings(
        _env_file=None,
        SLACK_BOT_TOKEN=sandbox.bot_token,
        SLACK_APP_TOKEN=sandbox.app_token,
        SLACK_API_URL=sandbox.api_url,
        database_url=str(folder / "tracebot.db"),
    )
    agents = folder / "agents.toml"
    agents.write_text(AGENTS.format(python=sys.executable, incidents=incidents.id))
    bot = build_bot(settings, roster=load_roster(agents), observability=observability)
    stack.callback(bot.stop)
    connect(bot, settings)
    bot.scheduler.start()
    sandbox.wait_for_app()


def _talk(stage: Stage, alice: User, bob: User, general: Channel, incidents: Channel) -> Message:
    bot = stage.sandbox.mention
    question = stage.say(alice, general, f"{bot} what is in the next release?")
    answer = stage.hear(general, question)
    follow_up = stage.say(alice, general, "and when is it?", thread_ts=question.ts)
    stage.hear(general, follow_up)
    stage.say(bob, general, "anyone for lunch?")
    stage.console.print("      [dim](not for the bot, which skips it)[/]")
    notes = ("notes.txt", "text/plain", NOTES)
    stage.hear(general, stage.say(bob, general, f"{bot} please read these", file=notes))
    direct = stage.sandbox.open_dm(alice)
    stage.hear(direct, stage.say(alice, direct, "just between us: does this work?"))
    stage.hear(incidents, stage.say(bob, incidents, f"{bot} why is checkout slow?"))
    stage.sandbox.react(alice, answer, "+1")
    stage.console.print("      [dim](alice reacts to the first reply with 👍)[/]\n")
    return question


def _wait_for_score(observability: Observability) -> None:
    """Wait until alice's 👍, which comes last, is stored: the trace below shows it."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        observability.flush()
        if ScoreRow.select().exists(observability.database):
            return
        time.sleep(0.02)


def _ask(stage: Stage, alice: User, general: Channel, question: Message) -> None:
    link = f"{stage.sandbox.base}/archives/{general.id}/p{question.ts.replace('.', '')}"
    for command in ("ls", f"thread {link}", "stats --by agent", f"show {link}"):
        stage.console.print(
            f"[bold]/trace {command}[/]  [dim](typed by alice; only she sees the answer)[/]"
        )
        for message in stage.sandbox.command(alice, general, "/trace", command):
            for line in block_text(message.blocks, names=stage.names).splitlines():
                stage.console.print(f"  {plain(line)}")
        stage.console.print()


def _say_what_next(console: Console, folder: Path, *, took: float) -> None:
    database = folder / "tracebot.db"
    console.print(f"That took {took:.1f} s. Everything is recorded in {database}. Try next:\n")
    for command in ("ls --all", "stats --by decision", "health"):
        console.print(f"  .venv/bin/tracebot {command} --database {database}")
    console.print("  .venv/bin/tracebot demo --keep       play it again and keep its web page open")
    console.print("  .venv/bin/tracebot run -- make       record a command of your own\n")


def stay(console: Console, sandbox: Sandbox) -> None:
    console.print(
        f"The workspace is open at [bold]{sandbox.page_url}[/]. Press Ctrl-C to close it."
    )
    wait: Callable[[], object] = signal.pause
    try:
        wait()
    except KeyboardInterrupt:
        console.print()


def read_manifest() -> Manifest:
    return Manifest.read(manifest_path())


def plain(text: str) -> str:
    """Escape text of others, so that rich does not read it as markup."""
    return visible(text).replace("[", r"\[")
