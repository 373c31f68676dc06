"""Several processes of one bot, and somebody who asks them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from peewee import PeeweeException

from bot.sandbox import Channel, Message, Sandbox, SandboxError, User
from storage.coordination.accepted_messages import WAITING
from storage.database.models import AcceptedMessageRow, UnfinishedReplyRow
from storage.database.transactions import transaction
from storage.queries.lookups import thread_traces
from storage.recovery.opening import open_database
from tests.support.ports import free_port

PATIENCE_S = 150.0

AGENT = """\
import pathlib, sys, time
here = pathlib.Path(sys.argv[1])
question = sys.stdin.read().splitlines()[-1].split()[-1]
with open(here / "asked", "a") as asked:
    asked.write(question + "\\n")
while question.startswith("hold") and not (here / "go").exists():
    time.sleep(0.02)
print(f"answer to {question}")
"""

SERVE = """\
import importlib, os, signal, sys
when, where, flag, *options = sys.argv[1:]
module, _, name = where.rpartition(".")
owner = importlib.import_module(module.partition(":")[0])
for each in filter(None, module.partition(":")[2].split(".")):
    owner = getattr(owner, each)
real = getattr(owner, name)
def doomed(*args, **named):
    def die():
        try:
            os.close(os.open(flag, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)
    if when == "before":
        die()
    result = real(*args, **named)
    if when == "after" and result is not False:
        die()
    return result
setattr(owner, name, doomed)
from bot.cli.main import main
sys.exit(main(["serve", *options]))
"""
"""Serve, and die before or after a function is called, unless another process did."""


class BotsBeside:
    """Processes of one app on one database, all in Socket Mode but the last, which has HTTP."""

    def __init__(self, folder: Path, sandbox: Sandbox, url: str) -> None:
        self.folder, self.sandbox, self.url = folder, sandbox, url
        self.ann: User = sandbox.add_user("ann")
        self.channel: Channel = sandbox.add_channel("room", [self.ann])
        (folder / "program.py").write_text(AGENT)
        (folder / "serve.py").write_text(SERVE)
        self.work = folder / "work"
        self.work.mkdir()
        command = [sys.executable, str(folder / "program.py"), "."]
        (folder / "agents.toml").write_text(
            f"[agents.slow]\nprovider = 'command'\ncommand = {command}\n"
            "working_directory = 'work'\n"
        )
        self.bots: list[subprocess.Popen[bytes]] = []

    def start(self, *, dies: tuple[str, str] | None = None) -> None:
        """Start a bot and wait until it is connected. It *dies* `before` or `after` a function."""
        opened = self.sandbox._slack.sockets.opened
        self._start([], dies)
        self.sandbox.wait_for_app(opened=opened + 1, timeout=PATIENCE_S)

    def start_http(self, *, dies: tuple[str, str] | None = None) -> str:
        """Do so in HTTP mode; return the address for events."""
        port = free_port()
        self._start(["--http"], dies, PORT=str(port))
        url = f"http://127.0.0.1:{port}/slack/events"

        def accepts() -> bool:
            try:
                self.sandbox.deliver_to(url)
            except SandboxError:
                return False
            return True

        until(accepts)
        return url

    def _start(self, options: list[str], dies: tuple[str, str] | None, **environment: str) -> None:
        doom = [*(dies or ("never", "os.getpid")), str(self.folder / "dead")]
        with (self.folder / f"log-{len(self.bots)}").open("ab") as log:
            bot = subprocess.Popen(
                [sys.executable, str(self.folder / "serve.py"), *doom, *options],
                cwd=self.folder,
                stderr=log,
                env={
                    **os.environ,
                    "SLACK_BOT_TOKEN": self.sandbox.bot_token,
                    "SLACK_APP_TOKEN": self.sandbox.app_token,
                    "SLACK_SIGNING_SECRET": self.sandbox.signing_secret,
                    "SLACK_API_URL": self.sandbox.api_url,
                    "TRACEBOT_DATABASE_URL": self.url,
                    "TRACEBOT_AGENTS": str(self.folder / "agents.toml"),
                    "TRACEBOT_OTLP_PORT": "0",
                    **environment,
                },
            )
        self.bots.append(bot)

    def close(self) -> None:
        for bot in self.bots:
            bot.kill()
            bot.wait()

    def ask(self, question: str, thread_ts: str | None = None) -> Message:
        text = f"{self.sandbox.mention} {question}"
        return self.sandbox.post(self.ann, self.channel, text, thread_ts=thread_ts)

    def answers(self, question: Message) -> list[str]:
        thread = self.sandbox.thread(self.channel, question.ts)
        return [each.text.strip() for each in thread if each.user == self.sandbox.bot_user_id]

    def asked(self, question: str) -> int:
        """Return how often the agent was asked a question."""
        path = self.work / "asked"
        return path.read_text().split().count(question) if path.exists() else 0

    def rows(self) -> tuple[int, int]:
        """Return how many messages and replies are not ended.

        What is looked for later, in case that Slack carries out a call late, counts as ended.
        """
        ended = UnfinishedReplyRow.id.endswith(":late")
        with closing(open_database(self.url)) as database:
            messages = AcceptedMessageRow.select().count(database)
            return messages, UnfinishedReplyRow.select().where(~ended).count(database)

    def holder(self) -> subprocess.Popen[bytes]:
        """Return the bot that runs the only turn."""
        with closing(open_database(self.url)) as database:
            running = AcceptedMessageRow.select().where(AcceptedMessageRow.state != WAITING)
            (row,) = running.execute(database)
            pid = row.process.split(":")[1]
        (found,) = [each for each in self.bots if str(each.pid) == pid]
        return found

    def stall(self, bot: subprocess.Popen[bytes]) -> None:
        """Let a bot stand still, but not while it keeps all others from writing to the file."""
        while True:
            bot.send_signal(signal.SIGSTOP)
            try:
                with closing(open_database(self.url)) as database, transaction(database):
                    return
            except PeeweeException:
                bot.send_signal(signal.SIGCONT)
                time.sleep(0.1)

    def statuses(self, question: Message) -> list[str]:
        """Return how the turns of a thread ended, without what was not answered."""
        with closing(open_database(self.url)) as database:
            found = thread_traces(database, channel=self.channel.id, thread_ts=question.ts)
        return [each.status for each in found if each.decision == "answer"]


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)
