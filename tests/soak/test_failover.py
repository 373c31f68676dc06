"""PostgreSQL dies or goes away while processes record: nothing is lost, and nobody waits.

`TRACEBOT_SOAK_AWAY_S` says for how many seconds it is away: 60, or 600 for the figure of the
documentation.
"""

import json
import operator
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox import Sandbox
from storage.database.connect import locate
from storage.recovery.opening import open_database
from tests.support.paths import MANIFEST
from tests.support.postgres_servers import Server, execute
from tests.support.workspace.bot_process import BotProcess

AWAY_S = float(os.environ.get("TRACEBOT_SOAK_AWAY_S", "60"))
PROCESSES = 4
LONGEST_WAIT_S = 1.0
"""Of a caller, on a machine that does other work, too. The server is away for longer."""

RECORD = """
import json, sys, threading, time
from storage import Observability

url, name, per_second = sys.argv[1], sys.argv[2], float(sys.argv[3])
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
recorded, longest, acknowledged, began = 0, 0.0, [], time.monotonic()
with Observability.open(url, platform="cli") as observability:
    def acknowledge():
        while not ended.is_set():
            count = recorded
            if observability.flush(0.2) and count:
                acknowledged.append((time.time(), count))
                if len(acknowledged) == 1:
                    print("ready", flush=True)
            time.sleep(0.02)
    thread = threading.Thread(target=acknowledge)
    thread.start()
    while not ended.is_set():
        time.sleep(max(began + recorded / per_second - time.monotonic(), 0))
        started = time.monotonic()
        with observability.span(f"{name}.{recorded}"):
            pass
        longest = max(longest, time.monotonic() - started)
        recorded += 1
    thread.join()
    flushed = observability.flush(120)
print(json.dumps({"recorded": recorded, "longest": longest, "flushed": flushed,
                  "acknowledged": acknowledged}))
"""


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder with a short name, which the user of the servers may enter."""
    with tempfile.TemporaryDirectory(prefix="tracebot-failover-") as name:
        Path(name).chmod(0o755)
        monkeypatch.setenv("XDG_STATE_HOME", f"{name}/state")
        yield Path(name)


@pytest.fixture
def primary(folder: Path) -> Iterator[Server]:
    server = Server(folder / "a")
    server.initialize()
    server.start()
    yield server
    server.kill()


def start_writers(url: str, *, per_second: float) -> list[subprocess.Popen[str]]:
    """Start the processes that record together, and wait until something of each is stored."""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", RECORD, url, str(number), str(per_second / PROCESSES)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    return writers


def end(writers: list[subprocess.Popen[str]]) -> list[dict[str, Any]]:
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.close()
        writer.stdin = None
    printed = [writer.communicate(timeout=300)[0] for writer in writers]
    return [json.loads(each) for each in printed]


def stored(url: str) -> dict[str, int]:
    """Return how often each span is stored."""
    with closing(locate(url)) as database:
        sql = "SELECT name, count(*) FROM spans WHERE status <> 'running' GROUP BY name"
        return dict(database.fetch(sql, ()))


def missing(url: str, number: int, count: int) -> list[str]:
    found = stored(url)
    return [name for name in (f"{number}.{each}" for each in range(count)) if name not in found]


def seconds_until_resumed(url: str, deadline: float) -> float:
    """Return how long it takes until more is stored of each process than there is now."""

    def counts() -> list[int]:
        with closing(locate(url)) as database:
            sql = "SELECT split_part(name, '.', 1), count(*) FROM spans GROUP BY 1 ORDER BY 1"
            return [count for _, count in database.fetch(sql, ())]

    began, before = time.monotonic(), counts()
    while not all(map(operator.gt, counts(), before)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return time.monotonic() - began


def spools(folder: Path) -> dict[int, int]:
    """Return the size of each file below a folder with what waits for the database."""
    found = {}
    for path in folder.rglob("*:*.spool"):
        with suppress(FileNotFoundError):  # Stored just now.
            found[path.stat().st_ino] = path.stat().st_size
    return found


def seconds_until_drained(folder: Path) -> float:
    """Return how long it takes until the spools that there are now have been stored."""
    began, files = time.monotonic(), spools(folder).keys()
    while files & spools(folder).keys():
        assert time.monotonic() < began + 600
        time.sleep(0.1)
    return time.monotonic() - began


def wait_until_stored(url: str, count: int) -> None:
    deadline = time.monotonic() + 600
    while len(stored(url)) < count and time.monotonic() < deadline:
        time.sleep(0.5)


def test_a_standby_that_is_promoted_has_all_that_was_acknowledged(
    folder: Path, primary: Server
) -> None:
    standby = Server(folder / "b")
    standby.copy(primary)
    standby.start()
    execute(primary.url, "ALTER SYSTEM SET synchronous_standby_names = '*'")
    execute(primary.url, "SELECT pg_reload_conf()")
    url = primary.url_with(standby)
    open_database(url).close()
    writers = start_writers(url, per_second=500)
    time.sleep(10)
    primary.kill()
    killed_at = time.time()
    time.sleep(2)
    standby.promote()
    resumed = seconds_until_resumed(standby.url, time.monotonic() + 120)
    found = end(writers)
    recorded = sum(each["recorded"] for each in found)
    wait_until_stored(standby.url, recorded)
    for number, each in enumerate(found):
        acknowledged = max(count for at, count in each["acknowledged"] if at < killed_at)
        assert missing(standby.url, number, acknowledged) == []
        assert missing(standby.url, number, each["recorded"]) == []
    twice = [name for name, count in stored(standby.url).items() if count > 1]
    longest = max(each["longest"] for each in found)
    tell(recorded=recorded, resumed_s=resumed, longest_wait_s=longest, twice=len(twice))
    standby.stop()
    assert twice == []
    assert resumed < 5.0
    assert longest < LONGEST_WAIT_S


def test_a_server_that_is_away_for_long_costs_nobody_anything(
    folder: Path, primary: Server
) -> None:
    open_database(primary.url).close()
    with Sandbox.start(MANIFEST) as sandbox:
        alice = sandbox.add_user("alice")
        channel = sandbox.add_channel("general", [alice])
        bot = BotProcess(sandbox, folder, http=False, database=primary.url)
        try:
            bot.start()
            writers = start_writers(primary.url, per_second=500)
            time.sleep(5)
            primary.stop()
            until, asked = time.monotonic() + AWAY_S, 0
            while time.monotonic() < until:
                asked += 1
                text = f"{sandbox.mention} please [q{asked} short]"
                message = sandbox.post(alice, channel, text)
                sandbox.wait_for_reply(channel, message.ts, containing=f"q{asked}-alpha-0000")
                time.sleep(5)
            waiting = sum(spools(folder).values())
            primary.start()
            drained = seconds_until_drained(folder)
            found = end(writers)
            assert bot.stop() == 0
        finally:
            bot.close()
    recorded = sum(each["recorded"] for each in found)
    wait_until_stored(primary.url, recorded)
    lost = sum(len(missing(primary.url, n, each["recorded"])) for n, each in enumerate(found))
    with closing(locate(primary.url)) as database:
        turns = database.fetch("SELECT count(*) FROM traces WHERE decision = 'answer'", ())[0][0]
    longest = max(each["longest"] for each in found)
    tell(
        away_s=AWAY_S,
        recorded=recorded,
        spooled_bytes=waiting,
        drained_s=drained,
        lost=lost,
        longest_wait_s=longest,
        answers=asked,
    )
    assert lost == 0
    assert turns == asked
    assert longest < LONGEST_WAIT_S


def tell(**figures: object) -> None:
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
