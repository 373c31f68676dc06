"""A bot stands still in the middle of a turn for longer than others wait for it, and goes on.

Another one takes the turn over meanwhile. However far it was, there is one answer or one note.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from peewee import PeeweeException

from bot.sandbox import Channel, Message, Sandbox, User
from storage.database.models import AcceptedMessageRow, UnfinishedReplyRow
from storage.database.transactions import transaction
from storage.queries.lookups import thread_traces
from storage.recovery.opening import open_database
from tests.support.paths import MANIFEST

TRACEBOT = Path(sys.executable).parent / "tracebot"
PATIENCE_S = 150.0

AGENT = """\
import pathlib, sys, time
here = pathlib.Path(sys.argv[1])
question = sys.stdin.read().splitlines()[-1].split()[-1]
(here / f"begun-{question}").touch()
while question.startswith("hold") and not (here / "go").exists():
    time.sleep(0.02)
print(f"answer to {question}")
"""


class Office:
    """Two bots of one app, and somebody who asks."""

    def __init__(self, folder: Path, sandbox: Sandbox, url: str) -> None:
        self.folder, self.sandbox, self.url = folder, sandbox, url
        self.ann: User = sandbox.add_user("ann")
        self.channel: Channel = sandbox.add_channel("room", [self.ann])
        (folder / "program.py").write_text(AGENT)
        (folder / "work").mkdir()
        command = [sys.executable, str(folder / "program.py"), "."]
        (folder / "agents.toml").write_text(
            f"[agents.slow]\nprovider = 'command'\ncommand = {command}\n"
            "working_directory = 'work'\n"
        )
        self.bots: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        opened = self.sandbox._slack.sockets.opened
        with (self.folder / f"log-{len(self.bots)}").open("ab") as log:
            bot = subprocess.Popen(
                [TRACEBOT, "serve"],
                cwd=self.folder,
                stderr=log,
                env={
                    **os.environ,
                    "SLACK_BOT_TOKEN": self.sandbox.bot_token,
                    "SLACK_APP_TOKEN": self.sandbox.app_token,
                    "SLACK_API_URL": self.sandbox.api_url,
                    "TRACEBOT_DATABASE_URL": self.url,
                    "TRACEBOT_AGENTS": str(self.folder / "agents.toml"),
                    "TRACEBOT_OTLP_PORT": "0",
                },
            )
        self.bots.append(bot)
        self.sandbox.wait_for_app(opened=opened + 1, timeout=PATIENCE_S)

    def ask(self, question: str, thread_ts: str | None = None) -> Message:
        text = f"{self.sandbox.mention} {question}"
        return self.sandbox.post(self.ann, self.channel, text, thread_ts=thread_ts)

    def answers(self, question: Message) -> list[str]:
        thread = self.sandbox.thread(self.channel, question.ts)
        return [each.text.strip() for each in thread if each.user == self.sandbox.bot_user_id]

    def has_begun(self, question: str) -> bool:
        return (self.folder / "work" / f"begun-{question}").exists()

    def rows(self) -> tuple[int, int]:
        with closing(open_database(self.url)) as database:
            messages = AcceptedMessageRow.select().count(database)
            return messages, UnfinishedReplyRow.select().count(database)

    def holder(self) -> subprocess.Popen[bytes]:
        """Return the bot that runs a turn."""
        with closing(open_database(self.url)) as database:
            (row,) = AcceptedMessageRow.select().limit(1).execute(database)
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


@pytest.fixture
def office(any_url: str, tmp_path: Path) -> Iterator[Office]:
    open_database(any_url).close()
    with Sandbox.start(MANIFEST) as sandbox:
        found = Office(tmp_path, sandbox, any_url)
        try:
            found.start()
            found.start()
            yield found
        finally:
            for bot in found.bots:
                bot.kill()
                bot.wait()


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("shown", [False, True], ids=["nothing shown", "a growing reply"])
def test_a_turn_that_was_taken_over_gets_no_second_answer(office: Office, shown: bool) -> None:
    question = office.ask("hold")
    until(lambda: office.has_begun("hold"))
    if shown:
        until(lambda: bool(office.answers(question)))
    stalled = office.holder()
    office.stall(stalled)
    until(lambda: any("I was restarted" in each for each in office.answers(question)))
    (office.folder / "work" / "go").touch()
    stalled.send_signal(signal.SIGCONT)
    until(lambda: office.statuses(question) == ["abandoned"])
    follow_up = office.ask("more", thread_ts=question.ts)
    office.sandbox.wait_for_reaction(office.channel, follow_up.ts, "white_check_mark", timeout=60)
    told, answer = office.answers(question)
    assert "I was restarted" in told and "answer to hold" not in told
    assert answer == "answer to more"
    assert office.sandbox.reactions(office.channel, question.ts).keys() == {"octagonal_sign"}
    until(lambda: office.rows() == (0, 0))  # Until nobody looks for late messages any more.
    assert len(office.answers(question)) == 2
    assert stalled.poll() is None


def test_what_waits_in_a_process_that_stands_still_is_answered_by_another_one(
    office: Office,
) -> None:
    office.stall(office.bots[1])  # So that the first bot gets everything.
    question = office.ask("hold")
    until(lambda: office.has_begun("hold"))
    follow_up = office.ask("more", thread_ts=question.ts)
    until(lambda: office.rows()[0] == 2)
    office.stall(office.bots[0])
    office.bots[1].send_signal(signal.SIGCONT)
    (office.folder / "work" / "go").touch()
    office.sandbox.wait_for_reaction(
        office.channel, follow_up.ts, "white_check_mark", timeout=PATIENCE_S
    )
    office.bots[0].send_signal(signal.SIGCONT)
    until(lambda: sorted(office.statuses(question)) == ["abandoned", "ok"])
    time.sleep(20)
    told, answer = office.answers(question)
    assert "I was restarted" in told
    assert answer == "answer to more"
