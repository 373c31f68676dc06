"""`/trace forget` and `tracebot forget`: people have their text erased, and only those who may."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bot.sandbox import Channel, Sandbox, User
from storage import Observability
from storage.queries.traces import recent_traces, trace_spans
from storage.recovery.backup import backup
from tests.support.conversations import StartBot
from tests.support.planted import where
from tests.support.traces_in_slack import asked, press, shown

MARK = "zebra-4711"


@pytest.fixture
def bob(sandbox: Sandbox) -> User:
    return sandbox.add_user("bob")


@pytest.fixture
def admin(sandbox: Sandbox) -> User:
    return sandbox.add_user("ann", admin=True)


@pytest.fixture
def general(sandbox: Sandbox, alice: User, bob: User, admin: User) -> Channel:
    return sandbox.add_channel("general", [alice, bob, admin])


def texts(observability: Observability) -> list[str | None]:
    """Return the texts of what was asked, newest first."""
    observability.flush()
    return [trace.text for trace in recent_traces(observability.database).traces if trace.agent]


def forget(sandbox: Sandbox, user: User, channel: Channel, person: str = "") -> tuple[str, str]:
    """Ask to forget somebody, press the button, and return the question and the answer."""
    (question,) = sandbox.command(user, channel, "/trace", f"forget {person}".strip())
    answer = sandbox.click(user, question, "trace_forget", responses=1)
    return shown([question]), shown(answer)


def test_a_person_erases_their_own_text_after_a_question(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    bob: User,
    general: Channel,
    tmp_path: Path,
) -> None:
    start_bot()
    asked(sandbox, observability, alice, general, MARK)
    asked(sandbox, observability, bob, general, "giraffe")
    (question,) = sandbox.command(alice, general, "/trace", "forget")
    assert question.ephemeral_to == alice.id
    assert "1 message from you" in shown([question])
    assert "counts, durations, tokens, costs" in shown([question])
    assert texts(observability) == ["giraffe", MARK]
    answer = sandbox.click(alice, question, "trace_forget", responses=1)
    assert f"Erased the text of 1 message from {alice.id}" in shown(answer)
    assert texts(observability) == ["giraffe", None]
    assert where(tmp_path) == []


def test_an_erasure_is_recorded_with_who_whom_and_how_many(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    bob: User,
    admin: User,
    general: Channel,
) -> None:
    start_bot()
    asked(sandbox, observability, bob, general, MARK)
    forget(sandbox, admin, general, "@bob")
    observability.flush()
    traces = recent_traces(observability.database, skipped=True, limit=50).traces
    spans = [
        span for trace in traces for span in trace_spans(observability.database, trace.trace_id)
    ]
    (record,) = [span.attributes for span in spans if span.name == "forget"]
    assert record["tracebot.erasure.user"] == bob.id
    assert record["tracebot.erasure.by"] == admin.id
    assert record["tracebot.erasure.messages"] == 1


@pytest.mark.parametrize("form", ["<@{id}|bob>", "{id}", "@bob", "@Bob"])
def test_an_admin_erases_somebodys_text(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    bob: User,
    admin: User,
    general: Channel,
    tmp_path: Path,
    form: str,
) -> None:
    start_bot()
    asked(sandbox, observability, bob, general, MARK)
    forget(sandbox, admin, general, form.format(id=bob.id))
    assert where(tmp_path) == []


def test_others_cannot_have_somebody_forgotten(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    bob: User,
    admin: User,
    general: Channel,
) -> None:
    start_bot()
    asked(sandbox, observability, bob, general, MARK)
    refused = shown(sandbox.command(alice, general, "/trace", f"forget <@{bob.id}>"))
    assert "Only admins and owners" in refused
    (message,) = sandbox.command(alice, general, "/trace", "help")
    pressed = press(sandbox, alice, message, "trace_forget", bob.id)
    assert "Only admins and owners" in pressed
    assert texts(observability) == [MARK]


def test_a_name_that_nobody_has_is_said(
    sandbox: Sandbox, start_bot: StartBot, admin: User, general: Channel
) -> None:
    start_bot()
    said = shown(sandbox.command(admin, general, "/trace", "forget @nobody"))
    assert "@nobody is not the name of anybody" in said


def tracebot(database: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TRACEBOT_DATABASE_URL": str(database)}
    command = [sys.executable, "-m", "bot.cli.main", *arguments]
    entry = Path(sys.executable).with_name("tracebot")
    command = [str(entry), *arguments] if entry.exists() else command
    return subprocess.run(
        command,
        env=environment,
        cwd=database.parent,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_operator_erases_somebodys_text_in_a_shell(
    observability: Observability, db_path: Path, tmp_path: Path
) -> None:
    with observability.span("slack message", team="T1", message_ts="1.1", user="U1", text=MARK):
        pass
    observability.flush()
    asking = tracebot(db_path, "forget", "--user", "U1")
    assert asking.returncode == 2 and "add --yes" in asking.stderr
    assert where(tmp_path)
    aside = tmp_path / "tracebot.db.replaced-20260101T000000.000000"
    aside.write_text(MARK)
    damaged = tmp_path / "tracebot.db.spool" / "9.damaged"
    damaged.parent.mkdir(exist_ok=True)
    damaged.write_text(MARK)
    copy = tmp_path / "elsewhere" / "monday.db"
    copy.parent.mkdir()
    backup(observability.database, copy)
    done = tracebot(db_path, "forget", "--user", "U1", "--yes")
    assert done.returncode == 0, done.stderr
    assert "Erased the text of 1 message from U1" in done.stdout
    commands = [f"rm --{rest}" for rest in done.stdout.split("rm --")[1:]]
    shell = "set -e\n" + "\n".join(each.split("\n\n")[0] for each in commands)
    assert all(f"{path}" in shell for path in (aside, damaged, copy))
    subprocess.run(shell, shell=True, check=True)
    assert where(tmp_path) == []
