"""Whether Slack is connected: what the log says, and what `health` shows."""

import subprocess
import sys
import time

import pytest

from bot.sandbox import Sandbox
from bot.slack.connection.status import ConnectionStatus, note_connection
from reports.views.health import health_view
from storage import Observability
from storage.coordination.heartbeats import Heartbeat, put_heartbeat
from storage.coordination.process_identity import this_process
from storage.database.shared_file import SharedDatabase
from storage.health import health
from storage.upkeep.journal import JournalEntry, add_entry, last_entry
from tests.support.conversations import StartBot

HOUR = 3_600 * 1_000_000_000


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_the_log_says_once_and_then_every_minute_that_slack_is_away(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    clock, stood = Clock(), []
    status = ConnectionStatus(lambda: stood.append(clock.now), now=clock)
    for _ in range(125):
        status.failed("its name cannot be resolved")
        clock.now += 1
    status.stands()
    status.ended("the connection ended without a word")
    clock.now += 0.4
    status.stands()
    status.stands()
    assert stood == [1_125.0]
    assert [each.getMessage() for each in caplog.records] == [
        "Slack is not connected: its name cannot be resolved. I try again until it is.",
        "Slack is still not connected after 1 min 00 s: its name cannot be resolved.",
        "Slack is still not connected after 2 min 00 s: its name cannot be resolved.",
        "Slack is connected again after 400 ms: the connection ended without a word.",
    ]
    assert status.problem is None


def shown(database: SharedDatabase, now: int) -> str:
    return dict(health_view(health(database, now=now), now=now, private=False).facts)["Slack"]


def test_health_shows_whether_slack_is_connected(database: SharedDatabase) -> None:
    now, status = time.time_ns(), ConnectionStatus()
    note_connection(database, status, team="T1", now=now)
    assert shown(database, now) == "⚠ not connected, just now: it was not connected yet"
    status.stands()
    note_connection(database, status, team="T1", now=now)
    assert shown(database, now) == "connected, just now"
    status.failed("its name cannot be resolved")
    note_connection(database, status, team="T1", now=now)
    assert shown(database, now) == "⚠ not connected, just now: its name cannot be resolved"
    note_connection(database, status, team="T1", now=now, stopped=True)
    assert shown(database, now) == "the bot was stopped, just now"


def test_another_program_with_the_same_app_is_told_once(
    database: SharedDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    def told(others: int) -> int:
        caplog.clear()
        status.others = others
        for _ in range(2):
            note_connection(database, status, team="T1", now=time.time_ns())
        return caplog.text.count("another program uses the same app")

    def beat(process: str, team: str = "T1") -> None:
        put_heartbeat(
            database,
            Heartbeat(
                process=process, team=team, version="1", mode="socket", state="stopped", problem=""
            ),
        )

    status = ConnectionStatus()
    assert (told(0), told(-1), told(1)) == (0, 0, 1)
    beat("here:1:1")
    beat("here:3:1", team="T2")
    assert (told(0), told(1)) == (0, 1)
    beat("here:2:1")  # One that was just replaced by this one, or that goes on beside it.
    assert (told(1), told(2), told(3)) == (0, 0, 1)


def test_a_token_that_is_revoked_is_told_by_the_log_and_by_health(
    start_bot: StartBot,
    sandbox: Sandbox,
    observability: Observability,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    bot, database = start_bot(), observability.database

    def slack() -> str:
        for _ in range(2):  # The second one notes what the first has found out.
            bot.scheduler.tick(now=time.time_ns())
        return shown(database, time.time_ns())

    assert slack() == "connected, just now"
    sandbox.revoke_tokens()
    why = "Slack does not accept SLACK_BOT_TOKEN (token_revoked). Install the app again on its page"
    assert slack().startswith(f"⚠ not connected, just now: {why}")
    assert f"Slack takes nothing from the bot: {why}" in caplog.text
    sandbox.faults.server_error("auth.test", times=2)
    assert "token_revoked" in slack(), "nobody has said anything else"
    sandbox._api.revoked = False
    assert slack() == "connected, just now"
    assert "Slack takes the bot's calls again." in caplog.text


def test_what_is_wrong_is_stored_without_the_ticket_of_a_connection(
    database: SharedDatabase,
) -> None:
    status = ConnectionStatus()
    ticket = "9f86d081884c7d659a2feaa0c55ad015"
    for note in (status.failed, status.ended):
        note(f"wss://wss.slack.com/link/?ticket={ticket} isn't a valid URI")
        note_connection(database, status, team="T1", now=time.time_ns(), stopped=False)
        entry = last_entry(database, "slack:T1")
        assert entry is not None
        assert "isn't a valid URI" in str(entry.details) and ticket not in str(entry.details)


def test_an_unchanged_state_is_written_once_an_hour(database: SharedDatabase) -> None:
    status = ConnectionStatus()
    status.stands()
    for minutes in range(70):
        note_connection(database, status, team="T1", now=minutes * HOUR // 60)
        entry = last_entry(database, "slack:T1")
        assert entry is not None
        assert entry.at == (0 if minutes <= 60 else 61 * HOUR // 60)


def _note_by_dead_process(database: SharedDatabase, *, at: int = 1) -> None:
    name = "import storage.coordination.process_identity as p; print(p.this_process())"
    ended = subprocess.run([sys.executable, "-c", name], capture_output=True, text=True, check=True)
    details = {"state": "connected", "problem": "", "by": ended.stdout.strip()}
    add_entry(database, JournalEntry(name="slack:T1", at=at, ok=True, details=details))


def test_a_bot_that_ended_unexpectedly_is_not_connected_until_another_is(
    database: SharedDatabase,
) -> None:
    now = time.time_ns()
    _note_by_dead_process(database, at=now - 1)
    assert shown(database, time.time_ns()).startswith("⚠ the bot ended without being stopped, ")
    status = ConnectionStatus()
    status.stands()
    note_connection(database, status, team="T1", now=now)
    assert shown(database, now) == "connected, just now"


def test_a_bot_that_is_stopped_soon_after_another_ended_unexpectedly_is_stopped(
    database: SharedDatabase,
) -> None:
    _note_by_dead_process(database)
    now = time.time_ns()
    note_connection(database, ConnectionStatus(), team="T1", now=now, stopped=True)
    assert shown(database, now) == "the bot was stopped, just now"


def test_a_process_that_ends_says_nothing_of_its_successor(database: SharedDatabase) -> None:
    status = ConnectionStatus()
    status.stands()
    host, pid, started = this_process().split(":")
    details = {"state": "connected", "problem": "", "by": f"elsewhere:{pid}:{started}"}
    add_entry(database, JournalEntry(name="slack:T1", at=1, ok=True, details=details))
    note_connection(database, status, team="T1", now=2, stopped=True)
    assert shown(database, time.time_ns()).startswith("connected, ")
