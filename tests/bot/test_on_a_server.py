"""The bot and the commands of the shell, with their database on a PostgreSQL server."""

import json
import time
from collections.abc import Iterator

import pytest
from peewee import PeeweeException

from bot.agents.config.roster import load_roster
from bot.sandbox import Channel, Sandbox, User
from storage import Observability
from storage.database.base import Database
from storage.database.connect import locate
from tests.support.command_line import run_here
from tests.support.conversations import StartBot, answered, eventually, finished
from tests.support.factories import FOLLOW_UP, GENERAL, THREAD, record_an_hour
from tests.support.postgres import Cable
from tests.support.running_bot import start_in
from tests.support.traces_in_slack import ask, asked


@pytest.fixture(scope="module")
def recorded(postgres_url: str) -> str:
    with Observability.open(postgres_url, platform="slack") as observability:
        record_an_hour(observability)
        observability.flush()
    return postgres_url


@pytest.fixture
def observability(cable: Cable) -> Iterator[Observability]:
    with Observability.open(cable.url, platform="slack") as opened:
        yield opened


def is_there(database: Database) -> bool:
    """Ask again if the server could not be reached a moment ago."""
    try:
        return bool(database.get_tables())
    except PeeweeException:
        return False


@pytest.mark.parametrize(
    "words",
    [
        *("ls --all", "ls --tsv", "search plans", "stats --by agent --since 30d", "cost", "errors"),
        *("slow", "logs", "metrics", "ps", "digest now", "alerts", "budget", "agents", "health"),
        *(
            "health --quick",
            f"thread {GENERAL} {THREAD}",
            "checkpoint",
            "doctor",
            "rehearse --mention-only",
        ),
        f"show https://x.slack.com/archives/{GENERAL}/p{FOLLOW_UP.replace('.', '')}",
        f"why https://x.slack.com/archives/{GENERAL}/p{FOLLOW_UP.replace('.', '')}",
        *(
            "clean --older-than 30d --dry-run",
            "clean --down-to 1GB",
            "query hello",
        ),
        *("budget add 100/week", "alerts add count>100 over:1h in:C0GENERAL"),
        "rehearse --mention-only",
        "forget --user U0NOBODY --yes",
    ],
)
def test_a_command_of_the_shell_works(recorded: str, words: str) -> None:
    done = run_here(recorded, *words.split())
    allowed = (0, 1) if words in ("doctor", "agents") else (0,)
    assert done.returncode in allowed, done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert done.stdout


def test_health_names_the_server_and_what_it_looks_after_is_left_to_it(recorded: str) -> None:
    found = json.loads(run_here(recorded, "health", "--json").stdout)
    assert found["path"] == locate(recorded).label
    assert found["postgres_version"].split(".")[0].isdigit()
    assert found["size"] > 1_000_000
    assert [found[each] for each in ("wal_size", "disk_free", "sqlite_version")] == [None] * 3


@pytest.mark.parametrize("words", ["backup x.db", "restore x.db"])
def test_a_backup_is_left_to_the_tools_of_the_server(recorded: str, words: str) -> None:
    done = run_here(recorded, *words.split())
    assert done.returncode == 1
    assert "pg_dump" in done.stderr
    assert "pg_restore" in done.stderr


def test_the_bot_answers_and_shows_what_it_recorded(
    sandbox: Sandbox,
    alice: User,
    general: Channel,
    start_bot: StartBot,
    observability: Observability,
    cable: Cable,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bot = start_bot()
    asked(sandbox, observability, alice, general, "hello there")
    assert "hello there" in ask(sandbox, alice, general, "ls")
    assert "echo" in ask(sandbox, alice, general, "stats --by agent")
    assert "PostgreSQL" in ask(sandbox, alice, general, "health")
    bot.scheduler.tick(now=time.time_ns())
    assert not [each for each in caplog.records if each.levelname == "ERROR"]
    # The server goes away: people are answered, and what is recorded waits.
    cable.cut()
    question, _ = answered(sandbox, alice, general, "still there?")
    cable.mend()
    eventually(lambda: is_there(observability.database))
    (trace,) = finished(observability, general, question.ts)
    assert (trace.status, trace.agent) == ("ok", "echo")


def test_a_bot_that_starts_while_the_server_is_away_answers(
    sandbox: Sandbox, alice: User, general: Channel, cable: Cable
) -> None:
    cable.cut()
    with Observability.open(cable.url, platform="slack") as observability:
        bot = start_in(sandbox, observability, load_roster(None))
        sandbox.wait_for_app()
        question, _ = answered(sandbox, alice, general, "is anybody there?")
        cable.mend()
        eventually(lambda: is_there(observability.database))
        (trace,) = finished(observability, general, question.ts)
        assert (trace.status, trace.agent) == ("ok", "echo")
        bot.stop(grace=0.0)
