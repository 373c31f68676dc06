"""Fixtures: real databases in the test's own folder and real sockets; nothing is mocked."""

import gc
import logging
import os
import shutil
import signal
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import certifi
import pytest
from hypothesis import HealthCheck, settings
from peewee import Database
from slack_sdk import WebClient

from bot.agents.config.roster import Roster, load_roster
from bot.lifecycle import Bot
from bot.sandbox import Channel, Sandbox, User
from bot.sandbox.tokens import Tokens
from storage import Observability
from storage.database.server_connection import CONNECT
from storage.recovery.opening import open_database
from storage.writer.writer import Writer
from tests.support.conversations import PATIENCE_S
from tests.support.paths import MANIFEST
from tests.support.postgres import any_database as any_database
from tests.support.postgres import any_url as any_url
from tests.support.postgres import cable as cable
from tests.support.postgres import language_template as language_template
from tests.support.postgres import new_postgres as new_postgres
from tests.support.postgres import new_postgres_url as new_postgres_url
from tests.support.postgres import postgres_server as postgres_server
from tests.support.postgres import postgres_template as postgres_template
from tests.support.postgres import postgres_url as postgres_url
from tests.support.running_bot import start_in

# A deadline or a health check by time would fail on a busy machine. In CI the examples are always
# the same, so that a run fails only because of its change.
settings.register_profile(
    "tracebot",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="CI" in os.environ,
)
settings.load_profile("tracebot")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--postgres",
        action="store_true",
        help="run the tests that are not about a file on a PostgreSQL server",
    )


def pytest_xdist_auto_num_workers() -> int:
    """Run three workers per core: a test waits for more than half of its time."""
    return 3 * (os.cpu_count() or 1)


@pytest.fixture(scope="session", autouse=True)
def _patience() -> Iterator[None]:
    """Let nothing give up while the machine stands still for some seconds, as with a slow disk."""
    with pytest.MonkeyPatch.context() as patch:
        for wait in (Observability.flush, Observability.close, Writer.close):
            patch.setattr(wait, "__defaults__", (PATIENCE_S,))
        patch.setitem(CONNECT, "connect_timeout", round(PATIENCE_S))
        yield


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Spare the garbage collector the tests themselves, which live as long as this process."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(autouse=True, scope="session")
def signals_end_programs() -> None:
    """Undo what `nohup` or a `&` in a script ignores: the programs that tests start inherit it."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def log_handlers() -> Iterator[None]:
    """Take back what a command that runs in this process does to the log."""
    root = logging.getLogger()
    handlers, level = [*root.handlers], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(autouse=True, scope="session")
def one_certificate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Trust one certificate only: no test speaks TLS, and each client reads all that it trusts.

    Reading all of them takes 30 ms, in each bot and in each program that a test starts.
    """
    path = tmp_path_factory.mktemp("certificates") / "one.pem"
    first, end, _ = Path(certifi.where()).read_text().partition("-----END CERTIFICATE-----")
    path.write_text(first + end)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(path))
        yield


@pytest.fixture
def db_path(tmp_path: Path) -> Path:
    return tmp_path / "tracebot.db"


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a database once: all migrations take five times as long as a copy of their result."""
    path = tmp_path_factory.mktemp("empty") / "tracebot.db"
    open_database(path).close()
    return path


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str:
    """Return the URL or path of a database with our tables; with `--postgres`, on a server.

    A test that asks for `db_path`, too, is about a file.
    """
    on_server = request.config.getoption("--postgres")
    if on_server and "db_path" not in request.fixturenames:
        return str(request.getfixturevalue("new_postgres_url"))
    path: Path = request.getfixturevalue("db_path")
    if not path.exists():
        shutil.copy(request.getfixturevalue("empty_database"), path)
    return str(path)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = open_database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def observability(database_url: str) -> Iterator[Observability]:
    with Observability.open(database_url, platform="slack") as opened:
        yield opened
        opened.database.close()


@pytest.fixture(scope="session")
def slack_tokens() -> Tokens:
    """Return tokens for all tests: a bot with others compiles the patterns of redaction anew."""
    return Tokens()


@pytest.fixture
def sandbox(slack_tokens: Tokens) -> Iterator[Sandbox]:
    with Sandbox.start(MANIFEST, tokens=slack_tokens) as running:
        yield running


@pytest.fixture
def alice(sandbox: Sandbox) -> User:
    return sandbox.add_user("alice", tz="Europe/Berlin")


@pytest.fixture
def general(sandbox: Sandbox, alice: User) -> Channel:
    return sandbox.add_channel("general", [alice])


@pytest.fixture
def web(sandbox: Sandbox) -> WebClient:
    """Slack's own client, with the bot's token."""
    return WebClient(token=sandbox.bot_token, base_url=sandbox.api_url)


def _roster(folder: Path, agents: str) -> Roster:
    path = folder / "agents.toml"
    path.write_text(agents)
    return load_roster(path if agents else None)


@pytest.fixture
def start_bot(
    sandbox: Sandbox, observability: Observability, tmp_path: Path
) -> Iterator[Callable[..., Bot]]:
    """Start the real bot in the sandbox: `agents` is the text of an agents file, or a roster.

    `collector` is where its agents may send their own telemetry.
    """
    running: list[Bot] = []

    def start(agents: str | Roster = "", *, collector: str | None = None, **overrides: Any) -> Bot:
        roster = agents if isinstance(agents, Roster) else _roster(tmp_path, agents)
        bot = start_in(sandbox, observability, roster, collector=collector, **overrides)
        running.append(bot)
        sandbox.wait_for_app(connections=len(running), timeout=PATIENCE_S)
        return bot

    yield start
    for bot in running:
        bot.stop(grace=0.0)  # Else an agent that a test leaves at work is waited for.
