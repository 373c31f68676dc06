"""Messages of a thread are answered one at a time, in their order, whichever process has them."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from peewee import Database, OperationalError

from bot.concurrency import lanes
from bot.concurrency.event_dedup import message_key
from bot.lifecycle import Bot
from bot.replies import reply_rows
from bot.sandbox import Channel, Message, Sandbox, User
from bot.sandbox.state.errors import SandboxError
from bot.sandbox.state.values import Json
from bot.slack.types import AskedAgain
from reports.commands.handlers import answer
from reports.commands.parser import build_parser, parse
from reports.commands.viewer import Viewer
from reports.render.json_output import render
from reports.views.trace_list import WAITS as WAITS_NOTE
from reports.views.trace_list import TraceListView
from storage import Observability
from storage.coordination import accepted_messages
from storage.coordination.accepted_messages import WAITING, AcceptedMessage, accept_message
from storage.coordination.process_identity import NOBODY
from storage.coordination.take_over import other_owners, take_over
from storage.coordination.unfinished_replies import TURN, UnfinishedReply
from storage.database.connect import connect
from storage.database.models import AcceptedMessageRow, LeaseRow
from storage.queries.lookups import thread_traces
from storage.queries.traces import TraceSummary
from tests.support.conversations import Ask, StartBot, ended, eventually, finished, spans_of
from tests.support.fake_agent import Scripted, crashed, roster_of
from tests.support.paths import MANIFEST
from tests.support.ports import free_port
from tests.support.replies import left_replies, tick

TRACEBOT = Path(sys.executable).parent / "tracebot"
DEAD = f"{os.uname().nodename}:4194304:1:1"
WAITS, OK = "hourglass_flowing_sand", "white_check_mark"

AGENT = """\
import os, pathlib, sys, time
here = pathlib.Path(sys.argv[1])
question = sys.stdin.read().splitlines()[-1].split()[-1]
def note(what):
    with open(here / "log", "a") as log:
        log.write(f"{what} {question}\\n")
note("begin")
time.sleep(0.1)
while question == "hold" and not (here / "go").exists():
    time.sleep(0.02)
note("end")
print(f"answer to {question}")
"""


class Alternating:
    """Send one event to the first process, in Socket Mode, and the next to the second, by HTTP."""

    late = "timeout"

    def __init__(self, *transports: Any) -> None:
        self._transports = cycle(transports)

    async def deliver(self, *args: Any, **options: Any) -> Json | None:
        delivered: Json | None = await next(self._transports).deliver(*args, **options)
        return delivered


class Processes:
    """Processes of one app on one database."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.folder, self.sandbox = folder, sandbox
        self.database_path = folder / "lanes.db"
        self.started: list[subprocess.Popen[bytes]] = []
        (folder / "program.py").write_text(AGENT)
        (folder / "work").mkdir()
        command = [sys.executable, str(folder / "program.py"), "."]
        (folder / "agents.toml").write_text(
            f"[agents.slow]\nprovider = 'command'\ncommand = {command}\n"
            "working_directory = 'work'\n"
        )

    def start(self, *options: str, **environment: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [TRACEBOT, "serve", *options],
            cwd=self.folder,
            stderr=subprocess.DEVNULL,
            env={
                **os.environ,
                "SLACK_BOT_TOKEN": self.sandbox.bot_token,
                "SLACK_APP_TOKEN": self.sandbox.app_token,
                "SLACK_SIGNING_SECRET": self.sandbox.signing_secret,
                "SLACK_API_URL": self.sandbox.api_url,
                "TRACEBOT_DATABASE_URL": str(self.database_path),
                "TRACEBOT_AGENTS": str(self.folder / "agents.toml"),
                "TRACEBOT_OTLP_PORT": "0",
                **environment,
            },
        )
        self.started.append(process)
        return process

    def log(self) -> list[str]:
        path = self.folder / "work" / "log"
        return path.read_text().splitlines() if path.exists() else []

    def has_accepted(self, message: Message) -> bool:
        key = message_key("T0SANDBOX1", message.channel, message.ts)
        with closing(connect(self.database_path)) as database:
            found = LeaseRow.select().where(LeaseRow.key == key)
            return bool(found.count(database))

    def holder(self) -> subprocess.Popen[bytes]:
        """Return the process that runs a turn."""
        with closing(connect(self.database_path)) as database:
            rows = AcceptedMessageRow.select().where(AcceptedMessageRow.state != WAITING)
            (row,) = rows.execute(database)
            database.close()
        (found,) = [each for each in self.started if str(each.pid) == row.process.split(":")[1]]
        return found


@pytest.fixture(scope="module")
def office() -> Iterator[Sandbox]:
    with Sandbox.start(MANIFEST) as running:
        yield running


@pytest.fixture(scope="module")
def processes(office: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """Start two processes, the second by HTTP, which get events in turn."""
    found = Processes(tmp_path_factory.mktemp("lanes"), office)
    port = free_port()
    found.start()
    found.start("--http", PORT=str(port))
    office.wait_for_app(timeout=60)
    sockets = office._slack.outbox.transport
    url = f"http://127.0.0.1:{port}/slack/events"
    eventually(lambda: accepts(office, url))
    office._slack.outbox.transport = Alternating(sockets, office._slack.outbox.transport)
    yield found
    for process in found.started:
        process.kill()
        process.wait()


def accepts(sandbox: Sandbox, url: str) -> bool:
    try:
        sandbox.deliver_to(url)
    except SandboxError:
        return False
    return True


def ask_in_thread(processes: Processes, *words: str) -> list[Message]:
    """Ask in a thread, each time once a process has the message before: so people write."""
    sandbox, posted = processes.sandbox, list[Message]()
    ann = sandbox.add_user("ann")
    channel = sandbox.add_channel(f"room-{words[0]}", [ann])
    for each in words:
        thread_ts = posted[0].ts if posted else None
        question = f"{sandbox.mention} {each}"
        posted.append(sandbox.post(ann, channel, question, thread_ts=thread_ts))
        eventually(lambda: processes.has_accepted(posted[-1]))
    return posted


def answers(sandbox: Sandbox, question: Message) -> list[str]:
    found = sandbox._slack.workspace.channels[question.channel]
    thread = sandbox.thread(found, question.ts)
    return [each.text.strip() for each in thread if each.user == sandbox.bot_user_id]


def test_two_processes_answer_a_thread_one_message_at_a_time_and_in_order(
    office: Sandbox, processes: Processes
) -> None:
    words = ["one", "two", "three", "four", "five", "six", "seven"]
    question, *follow_ups = ask_in_thread(processes, *words)
    channel = office._slack.workspace.channels[question.channel]
    for each in (question, *follow_ups):
        office.wait_for_reaction(channel, each.ts, OK, timeout=60)
    assert processes.log() == [f"{what} {word}" for word in words for what in ("begin", "end")]
    assert answers(office, question) == [f"answer to {word}" for word in words]


def test_what_waits_for_a_killed_process_is_answered_by_another_one(
    office: Sandbox, processes: Processes
) -> None:
    (processes.folder / "work" / "log").unlink(missing_ok=True)
    question, *follow_ups = ask_in_thread(processes, "hold", "second", "third")
    channel = office._slack.workspace.channels[question.channel]
    for each in follow_ups:
        office.wait_for_reaction(channel, each.ts, WAITS, timeout=60)
    eventually(lambda: processes.log() == ["begin hold"])
    holder = processes.holder()
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    for each in follow_ups:
        office.wait_for_reaction(channel, each.ts, OK, timeout=60)
    assert processes.log()[1:] == ["begin second", "end second", "begin third", "end third"]
    told, *rest = answers(office, question)
    assert "I was restarted" in told
    assert rest == ["answer to second", "answer to third"]
    (status, *_) = [
        trace.status
        for trace in traces(processes, question)
        if trace.message_ts == question.ts and trace.decision == "answer"
    ]
    assert status == "abandoned"


def traces(processes: Processes, question: Message) -> list[TraceSummary]:
    with Observability.open(processes.database_path, platform="cli") as reading:
        found = thread_traces(reading.database, channel=question.channel, thread_ts=question.ts)
        reading.database.close()
    return list(found)


@pytest.fixture
def waiting(
    agent: Scripted,
    start_bot: StartBot,
    ask: Ask,
    sandbox: Sandbox,
    alice: User,
    general: Channel,
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[Message, Message]:
    """Return a question whose turn runs, and a follow-up that waits for it, both with a row."""
    monkeypatch.setattr(accepted_messages, "PATIENCE_S", 30.0)  # However slow the disk is.
    start_bot(roster_of(agent))
    question = ask()
    follow_up = sandbox.post(alice, general, "and then?", thread_ts=question.ts)
    sandbox.wait_for_reaction(general, follow_up.ts, WAITS)
    return question, follow_up


def changed(observability: Observability, message: Message) -> bool:
    rows = AcceptedMessageRow.select().where(AcceptedMessageRow.message_ts == message.ts)
    return any(row.changed for row in rows.execute(observability.database))


def test_a_message_that_is_edited_while_it_waits_is_answered_as_it_is_then(
    waiting: tuple[Message, Message],
    agent: Scripted,
    sandbox: Sandbox,
    alice: User,
    general: Channel,
    observability: Observability,
) -> None:
    _, follow_up = waiting
    sandbox.edit(alice, follow_up, "and now?")
    eventually(lambda: changed(observability, follow_up))
    agent.end("first")
    agent.end("second")
    sandbox.wait_for_reaction(general, follow_up.ts, OK)
    assert [request.prompt for request in agent.requests] == ["think hard", "and now?"]


def test_ps_tells_which_messages_wait(
    waiting: tuple[Message, Message], agent: Scripted, observability: Observability
) -> None:
    def shown() -> tuple[list[str], list[bool]]:
        observability.flush()
        parser, _ = build_parser(prog="tracebot", shell=True)
        view = answer(
            parse(parser, ["ps"]),
            database=observability.database,
            viewer=Viewer(),
            now=time.time_ns(),
        )
        assert isinstance(view, TraceListView)
        listed = json.loads(render(view))["traces"]
        return [line.note for line in view.lines], [each["waiting"] for each in listed]

    eventually(lambda: shown() == (["", WAITS_NOTE], [False, True]))
    agent.end("first")
    agent.end("second")


def test_a_message_that_is_deleted_while_it_waits_is_not_answered(
    waiting: tuple[Message, Message],
    agent: Scripted,
    sandbox: Sandbox,
    alice: User,
    general: Channel,
    observability: Observability,
) -> None:
    question, follow_up = waiting
    sandbox.delete(alice, follow_up)
    eventually(lambda: changed(observability, follow_up))
    agent.end("first")
    sandbox.wait_for_reaction(general, question.ts, OK)
    found = finished(observability, general, question.ts, count=2)
    assert [trace.status for trace in found] == ["ok", "cancelled"]
    assert len(agent.requests) == 1


def left_by_a_dead_process(
    observability: Observability,
    message: Message,
    *,
    trace_id: str = "1" * 32,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Store what a process leaves that is killed once it has accepted *message*."""
    row = AcceptedMessage(
        trace_id=trace_id,
        team="T0SANDBOX1",
        channel=message.channel,
        thread_ts=message.thread_ts or message.ts,
        message_ts=message.ts,
        user=message.user,
        position=message.ts,
        details=details or {},
    )
    claim = message_key("T0SANDBOX1", message.channel, message.ts)
    now = time.time_ns()
    database = observability.database
    accept_message(database, row, claim=claim, process=DEAD, now=now)


def rows(observability: Observability) -> int:
    return AcceptedMessageRow.select().count(observability.database)


def test_a_message_that_no_agent_got_is_answered_once_though_slack_sends_it_again(
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    alice: User,
    general: Channel,
    observability: Observability,
) -> None:
    question = sandbox.post(alice, general, f"{sandbox.mention} think hard")
    left_by_a_dead_process(observability, question)
    bot = start_bot(roster_of(agent))
    (seen,) = finished(observability, general, question.ts)
    assert (seen.decision, seen.reason) == ("skip", "handled_elsewhere")
    tick(bot)
    agent.end("whole")
    (answer,) = ended(sandbox, general, question, OK)
    assert (answer.text, len(agent.requests)) == ("whole", 1)
    eventually(lambda: rows(observability) == 0)


def test_a_message_that_two_processes_did_not_survive_is_given_up(
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    alice: User,
    general: Channel,
    observability: Observability,
) -> None:
    question = sandbox.post(alice, general, f"{sandbox.mention} think hard")
    left_by_a_dead_process(observability, question)
    AcceptedMessageRow.update(attempts=2).execute(observability.database)
    bot = start_bot(roster_of(agent))
    finished(observability, general, question.ts)
    tick(bot)
    (note,) = ended(sandbox, general, question, "octagonal_sign")
    assert "Please ask again" in note.text
    # Nobody knows whom the button should ask.
    assert [block["type"] for block in note.blocks] == ["section"]
    assert (rows(observability), agent.requests) == (0, [])


def test_a_message_that_another_version_stored_keeps_no_other_from_its_answer(
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    alice: User,
    general: Channel,
    observability: Observability,
) -> None:
    odd, question = (sandbox.post(alice, general, f"{sandbox.mention} {n}") for n in (1, 2))
    left_by_a_dead_process(observability, odd, details={"unknown": 1})
    left_by_a_dead_process(observability, question, trace_id="2" * 32)
    bot = start_bot(roster_of(agent))
    finished(observability, general, question.ts)
    tick(bot)
    agent.end("whole")
    (answer,) = ended(sandbox, general, question, OK)
    tick(bot)
    (note,) = ended(sandbox, general, odd, "octagonal_sign")
    assert (answer.text, "Please ask again" in note.text) == ("whole", True)


def test_a_question_that_is_asked_again_by_another_process_shows_only_how_that_ended(
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    ask: Ask,
    general: Channel,
    observability: Observability,
) -> None:
    bot = start_bot(roster_of(agent))
    question = ask()
    agent.fail(crashed())
    ended(sandbox, general, question, "x")
    (trace,) = finished(observability, general, question.ts)
    eventually(lambda: rows(observability) == 0)
    LeaseRow.delete().execute(observability.database)
    again = AskedAgain(agent=agent.name, trace_id=trace.trace_id, author=question.user)
    left_by_a_dead_process(observability, question, details={"asked_again": asdict(again)})
    tick(bot)
    agent.end("whole")
    sandbox.wait_until(lambda: set(sandbox.reactions(general, question.ts)) == {OK})


def test_a_message_that_has_its_answer_gets_no_second_one(
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    ask: Ask,
    general: Channel,
    observability: Observability,
) -> None:
    bot = start_bot(roster_of(agent))
    question = ask()
    agent.end("whole")
    ended(sandbox, general, question, OK)
    (trace,) = finished(observability, general, question.ts)
    eventually(lambda: rows(observability) == 0)
    LeaseRow.delete().execute(observability.database)  # As in a backup of a moment before.
    left_by_a_dead_process(observability, question, trace_id=trace.trace_id)
    tick(bot)
    assert rows(observability) == 0
    assert len(sandbox.thread(general, question.ts)) == 2


@pytest.fixture
def impatient(observability: Observability, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing wait for a locked database for long."""
    monkeypatch.setattr(accepted_messages, "PATIENCE_S", 0.01)
    observability.database.timeout = 0.1


@pytest.mark.usefixtures("impatient")
def test_a_thread_is_answered_in_order_though_its_rows_cannot_be_written(
    db_path: Path,
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    ask: Ask,
    alice: User,
    general: Channel,
    observability: Observability,
) -> None:
    start_bot(roster_of(agent))
    observability.flush()
    with closing(connect(db_path)) as database:
        database.begin()
        question = ask()
        follow_up = sandbox.post(alice, general, "and then?", thread_ts=question.ts)
        sandbox.wait_for_reaction(general, follow_up.ts, WAITS)
        agent.end("first")
        agent.end("second")
        sandbox.wait_for_reaction(general, follow_up.ts, OK)
        database.rollback()
    found = finished(observability, general, question.ts, count=2)
    roots = [spans_of(observability, trace)["slack message"] for trace in found]
    assert [root.attributes["tracebot.lane"] for root in roots] == ["this process"] * 2


@pytest.mark.usefixtures("impatient")
def test_a_message_that_waits_is_stored_once_the_database_takes_it(
    db_path: Path,
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    ask: Ask,
    alice: User,
    general: Channel,
    observability: Observability,
) -> None:
    bot = start_bot(roster_of(agent))
    question = ask()
    sandbox.wait_for_reaction(general, question.ts, "eyes")
    with closing(connect(db_path)) as database:
        database.begin()
        follow_up = sandbox.post(alice, general, "and then?", thread_ts=question.ts)
        sandbox.wait_for_reaction(general, follow_up.ts, WAITS)
        database.rollback()
    bot.scheduler.take_over()
    stored = AcceptedMessageRow.select(AcceptedMessageRow.message_ts, AcceptedMessageRow.state)
    states = dict(stored.tuples().execute(observability.database))
    assert states[follow_up.ts] == WAITING
    agent.end("first")
    agent.end("second")
    sandbox.wait_for_reaction(general, follow_up.ts, OK)
    eventually(lambda: rows(observability) == 0)
    assert answers(sandbox, question) == ["first", "second"]


@pytest.mark.usefixtures("impatient")
def test_a_thread_goes_on_once_a_locked_database_lets_its_last_turn_free_it(
    db_path: Path,
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    ask: Ask,
    alice: User,
    general: Channel,
    observability: Observability,
    caplog: pytest.LogCaptureFixture,
) -> None:
    start_bot(roster_of(agent))
    question = ask()
    follow_up = sandbox.post(alice, general, "and then?", thread_ts=question.ts)
    eventually(lambda: rows(observability) == 2)
    with closing(connect(db_path)) as database:
        database.begin()
        agent.end("first")
        eventually(lambda: "A thread is not free for its next message yet" in caplog.text)
        database.rollback()
    agent.end("second")  # No run of the take-over helps it.
    sandbox.wait_for_reaction(general, follow_up.ts, OK)
    assert answers(sandbox, question) == ["first", "second"]


def test_a_message_that_waits_is_answered_though_its_row_cannot_begin(
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    ask: Ask,
    alice: User,
    general: Channel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*args: object, **options: object) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(lanes, "begin_message", fail)
    start_bot(roster_of(agent))
    question = ask()
    follow_up = sandbox.post(alice, general, "and then?", thread_ts=question.ts)
    sandbox.wait_for_reaction(general, follow_up.ts, WAITS)
    agent.end("first")
    agent.end("second")
    sandbox.wait_for_reaction(general, follow_up.ts, OK)
    assert answers(sandbox, question) == ["first", "second"]


def taken_over_from(bot: Bot, observability: Observability) -> None:
    """Let another process take over what the bot does, and the bot stand still until now."""
    database = observability.database
    (owner,) = other_owners(database, team="T0SANDBOX1", process="b:1:1")
    assert take_over(database, owner, team="T0SANDBOX1", process="b:1:1")
    bot.presence._seen_at = bot.presence._tried_at = -math.inf


def test_of_a_turn_that_was_taken_over_nothing_more_is_shown(
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    ask: Ask,
    general: Channel,
    observability: Observability,
) -> None:
    bot = start_bot(roster_of(agent))
    question = ask()
    before = sandbox.reactions(general, question.ts)
    # The rows of its marks and of its agent's reply are stored on a thread of their own.
    eventually(lambda: len(left_replies(observability)) == 2)
    taken_over_from(bot, observability)
    agent.end("whole")
    (trace,) = finished(observability, general, question.ts)
    assert trace.status == "abandoned"
    assert spans_of(observability, trace)["reply"].text == "whole"
    assert sandbox.thread(general, question.ts)[1:] == []
    assert sandbox.reactions(general, question.ts) == before
    assert rows(observability) == 1
    assert {row.process for row in left_replies(observability)} == {NOBODY}


def test_a_row_that_is_stored_just_when_its_turn_is_taken_over_does_not_stay(
    monkeypatch: pytest.MonkeyPatch,
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    alice: User,
    general: Channel,
    observability: Observability,
) -> None:
    store, stored = reply_rows.put_reply, []

    def store_late(database: Database, reply: UnfinishedReply, **more: Any) -> None:
        if not stored:
            taken_over_from(bot, observability)
        store(database, reply, **more)
        stored.append(reply.agent)

    monkeypatch.setattr(reply_rows, "put_reply", store_late)
    bot = start_bot(roster_of(agent))
    question = sandbox.post(alice, general, f"{sandbox.mention} think hard")
    (trace,) = finished(observability, general, question.ts)
    assert (trace.status, stored) == ("abandoned", [TURN])
    eventually(lambda: left_replies(observability) == [])


def test_an_answer_that_is_posted_just_when_its_turn_is_taken_over_is_deleted(
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    ask: Ask,
    general: Channel,
    observability: Observability,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bot = start_bot(roster_of(agent))
    question = ask()
    post = bot.delivery._client.chat_postMessage

    def stand_still_in_the_middle(**message: Any) -> Any:
        answer = post(**message)
        taken_over_from(bot, observability)
        return answer

    monkeypatch.setattr(bot.delivery._client, "chat_postMessage", stand_still_in_the_middle)
    agent.end("whole")
    (trace,) = finished(observability, general, question.ts)
    assert trace.status == "abandoned"
    assert sandbox.thread(general, question.ts)[1:] == []
