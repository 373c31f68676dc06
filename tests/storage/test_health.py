"""Health in a shell and in Slack, and the warnings that the bot posts by itself."""

import json
import logging
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from bot.jobs.digests import Digests
from bot.jobs.scheduler import Scheduler
from reports.commands.handlers import Viewer, answer
from reports.commands.parser import build_parser, parse
from reports.errors import UsageError
from reports.render import slack, terminal
from reports.views.health import HealthView, health_view
from reports.views.messages import MessageView
from reports.views.views import View
from storage import Observability
from storage.coordination.digest_subscriptions import Subscription, subscribe
from storage.database.migrations import HERE
from storage.database.shared_file import SharedDatabase
from storage.health import Connection, Health, health, log_size
from storage.model.erasure import Erasure
from storage.model.retention import Folding, Retention
from storage.recovery.backup import backup
from storage.recovery.integrity import check, check_at_start
from storage.recovery.opening import open_database
from storage.recovery.replacement import recover, recoveries
from storage.store.erasure_log import append, erasure_log
from storage.store.grains import grains_of
from storage.upkeep.journal import last_entry
from tests.support.factories import GENERAL, TEAM, FixedSight

SHARED = "C0SHARED"
"""A channel that people of other organisations can read."""

TRACEBOT = str(Path(sys.executable).with_name("tracebot"))
HOUR = 3_600 * 1_000_000_000
PARSER, _ = build_parser(prog="tracebot", shell=True)
MEMBER = Viewer(audiences=frozenset({TEAM}))


def ask(database: SharedDatabase, viewer: Viewer) -> HealthView:
    words = parse(PARSER, ["health"])
    view = answer(words, database=database, viewer=viewer, now=time.time_ns())
    assert isinstance(view, HealthView)
    return view


@pytest.mark.usefixtures("db_path")  # Of a file, also with `--postgres`.
def test_health_reports_the_state_of_the_database(database: SharedDatabase, tmp_path: Path) -> None:
    backup(database, tmp_path / "copy.db")
    check(database)
    facts = dict(ask(database, Viewer()).facts)
    assert facts["Check"] == "ok, just now"
    assert facts["Backup"] == "just now"
    assert facts["Waiting"] == "nothing"
    assert facts["Dropped"].startswith("0 in the last 24 h")
    assert facts["Database"] == str(database.path)
    assert facts["Migrations"].endswith(f"up to {max(HERE.glob('[0-9]*.py')).stem}")


def test_the_first_span_is_counted_as_one(database: SharedDatabase) -> None:
    found = health(database, now=time.time_ns())
    for count, words in ((0, "0 spans"), (1, "1 span"), (1_200, "1,200 spans")):
        view = health_view(replace(found, traces=1, spans=count), now=time.time_ns(), private=False)
        assert dict(view.facts)["Traces"] == f"1 with {words}, 0 running"


def test_health_in_slack_shows_no_path_and_a_guest_sees_nothing(database: SharedDatabase) -> None:
    view = ask(database, MEMBER)
    assert "Database" not in dict(view.facts)
    assert str(database.path.parent) not in json.dumps(slack.render(view))
    with pytest.raises(UsageError, match="full members"):
        ask(database, Viewer(audiences=frozenset()))


def sound(database: SharedDatabase) -> Health:
    return replace(health(database, now=time.time_ns()), disk_free=10**12)


@pytest.mark.parametrize(
    ("change", "fact", "advice"),
    [
        ({"wal_size": 300_000_000}, "Log", "checkpoint --truncate"),
        ({"disk_free": 50_000_000}, "Disk free", "clean --older-than"),
        ({"disk_free": 400_000_000}, "Disk free", "TRACEBOT_RETENTION"),
        ({"spool_files": 2, "spool_size": 900}, "Waiting", "next process"),
        ({"facts": 200_000}, "Figures", "added up"),
        ({"dropped": 7}, "Dropped", "the log"),
        ({"rate_limited": 3}, "Withheld", "busy channels"),
        ({"connections": (Connection("T1", "gone", "", 0),)}, "Slack", "tracebot doctor"),
        ({"connections": (Connection("T1", "not connected", "x", 0),)}, "Slack", "tries again"),
    ],
)
def test_problems_are_marked_with_advice(
    database: SharedDatabase, change: dict[str, object], fact: str, advice: str
) -> None:
    well = health_view(sound(database), now=time.time_ns(), private=False)
    assert (well.ok, well.problems) == (True, ())
    found = replace(sound(database), **change)  # type: ignore[arg-type]
    view = health_view(found, now=time.time_ns(), private=False)
    (problem,) = view.problems
    assert (problem.fact, view.ok) == (fact, False)
    assert advice in problem.advice
    assert dict(view.facts)[fact].startswith(problem.mark)
    for shown in (terminal.render(view), json.dumps(slack.render(view), ensure_ascii=False)):
        assert problem.mark in shown
        assert f"1 problem: {fact}" in shown
        assert problem.advice[:20] in shown
    for shown in (terminal.render(well), str(slack.render(well)[0])):
        assert "All is well." in shown


def tracebot(path: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [TRACEBOT, *words, "--database", str(path)], capture_output=True, text=True, check=False
    )


def damage(path: Path) -> None:
    """Overwrite a quarter of the pages of a database that nobody here has open."""
    with path.open("r+b") as file:
        pages = path.stat().st_size // 4_096
        for page in range(pages // 2, pages, 2):
            file.seek(page * 4_096)
            file.write(os.urandom(4_096))


def record(path: Path, *names: str) -> None:
    with Observability.open(path, platform="cli") as observability:
        for name in names:
            with observability.span(name, note="x" * 500):
                pass
        assert observability.flush(30.0)
        observability.database.close()


def test_health_in_a_shell_replaces_a_damaged_database_and_fails(db_path: Path) -> None:
    record(db_path, *(f"work {number}" for number in range(300)))
    assert tracebot(db_path, "health").returncode == 0
    damage(db_path)
    said = tracebot(db_path, "health")
    assert said.returncode == 1
    assert "✗ damaged, just now" in said.stdout or "⚠" in said.stdout
    as_json = json.loads(tracebot(db_path, "health", "--json").stdout)
    assert (as_json["ok"], as_json["check"]["ok"]) == (False, True)
    (recovery,) = as_json["recoveries"]
    assert recovery["finished"]
    assert recovery["saved"]["traces"] > 0
    assert db_path.with_name(recovery["file"]).exists()


def test_a_damaged_database_is_found_at_the_start(db_path: Path) -> None:
    record(db_path, *(f"work {number}" for number in range(300)))
    damage(db_path)
    database = open_database(db_path)
    check_at_start(database)
    assert recoveries(database)
    database.close()


def schedule(
    database: SharedDatabase, posts: list[tuple[str, str]], posted: set[str]
) -> tuple[Scheduler, Digests]:
    def post(channel: str, view: View, key: str) -> None:
        assert isinstance(view, MessageView)
        posts.append((channel, view.text))
        posted.add(key)

    digests = Digests(
        database,
        post=post,
        posted=lambda channel, key: key in posted,
        team=TEAM,
        workspace="https://acme.slack.com/",
        sight_in=lambda team, channel: FixedSight(
            frozenset({team}), channel=SHARED if channel == SHARED else None
        ),
    )
    retention = Retention(older_than_ns=HOUR)
    scheduler = Scheduler(database, digests=digests, retention=retention, folding=Folding())
    return scheduler, digests


def test_the_scheduler_folds_old_statistics(database: SharedDatabase) -> None:
    scheduler, _ = schedule(database, [], set())
    now = time.time_ns()
    scheduler.tick(now=now)
    day = 24 * HOUR
    assert grains_of(database).hours_since == (now - 35 * day) // day * day


@pytest.mark.usefixtures("db_path")  # Of a file, also with `--postgres`.
def test_channels_with_a_digest_are_told_once_about_a_damaged_database(
    database: SharedDatabase,
) -> None:
    now = time.time_ns()
    for subscribed in (SHARED, GENERAL):
        subscribe(database, Subscription(TEAM, subscribed, "09:00", "UTC", "U1", now))
    recover(database)
    posts: list[tuple[str, str]] = []
    ticking, digests = schedule(database, posts, set())
    deadline = time.monotonic() + 30
    while not posts and time.monotonic() < deadline:  # Until what can be read is saved.
        digests.send_recoveries(now=time.time_ns())
        time.sleep(0.02)
    ticking.tick(now=time.time_ns())
    ((channel, text),) = posts
    assert channel == GENERAL
    assert "was damaged just now and has been replaced: 0 spans were saved, 0 were lost" in text
    assert str(database.path.parent) not in text


def test_the_result_of_checkpoints_is_stored_once_an_hour(database: SharedDatabase) -> None:
    ticking, _ = schedule(database, [], set())
    now = time.time_ns()
    ticking.tick(now=now)
    done = last_entry(database, "checkpoint")
    assert done is not None and (done.at, done.ok) == (now, True)
    for minutes, remembered in ((1, now), (61, now + 61 * 60 * 1_000_000_000)):
        ticking.tick(now=now + minutes * 60 * 1_000_000_000)
        done = last_entry(database, "checkpoint")
        assert done is not None and done.at == remembered


@pytest.mark.usefixtures("db_path")  # Of a file, also with `--postgres`.
def test_a_log_that_grows_without_end_is_a_warning(
    database: SharedDatabase, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.jobs.scheduler.WAL_LIMIT", 10_000)
    ticking, _ = schedule(database, [], set())
    for channel in (GENERAL, "C0B"):
        subscribe(database, Subscription(TEAM, channel, "09:00", "UTC", "U1", time.time_ns()))
    assert log_size(database.path) > 10_000
    with caplog.at_level(logging.WARNING, logger="tracebot.schedule"):
        ticking.tick(now=time.time_ns())
    assert "checkpoint --truncate" in caplog.text


def test_files_that_an_erasure_does_not_reach_are_a_warning(database: SharedDatabase) -> None:
    def set_aside() -> str:
        found = health(database, now=time.time_ns())
        view = health_view(found, now=time.time_ns(), private=True)
        return dict(view.facts).get("Set aside", "")

    path = database.path
    path.with_name(f"{path.name}.replaced-20260101T000000.000000").write_text("older")
    assert set_aside() == ""
    append(erasure_log(path), Erasure(at=time.time_ns(), by="slack", channel="C1", message_ts="1"))
    os.utime(erasure_log(path), ns=(time.time_ns() + 1, time.time_ns() + 1))
    assert set_aside() == "⚠ 1 file, before somebody erased text"
    path.with_name(f"{path.name}.replaced-20260101T000000.000000").unlink()
    assert set_aside() == ""


@pytest.mark.usefixtures("db_path")  # Of a file, also with `--postgres`.
def test_one_check_runs_per_day(database: SharedDatabase) -> None:
    ticking, _ = schedule(database, [], set())
    now = time.time_ns()
    ticking.tick(now=now)
    first = last_entry(database, "check")
    ticking.tick(now=now + 1_000_000_000)
    assert first is not None and last_entry(database, "check") == first
    assert check(database).ok
