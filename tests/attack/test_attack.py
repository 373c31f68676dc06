"""`scripts/attack` finds that the promises hold, and says so when one is broken."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bot.agents.programs.process.confinement import landlock_version
from storage import Observability
from storage.recovery.opening import open_database
from tests.attack.agents import attack_files
from tests.attack.doors import attack_slack_door
from tests.attack.secrets import attack_secrets
from tests.support.paths import MEASURED, ROOT
from tests.support.redaction_corpus import Planted


def attack(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "scripts" / "attack", *options],
        # The interpreter that is tested: `scripts/test-all` has one for each version of Python.
        env={"PATH": "/usr/bin:/bin", "VENV": sys.prefix, **MEASURED, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.skipif(landlock_version() == 0, reason="this kernel has no Landlock")
def test_every_promise_holds(tmp_path: Path) -> None:
    done = attack("--json", HOME=str(tmp_path))
    attempts = json.loads(done.stdout)
    assert [each for each in attempts if each["held"] is not True] == []
    assert len({each["promise"] for each in attempts}) == 6
    assert done.returncode == 0


def test_an_agent_that_is_not_confined_breaks_the_promise(tmp_path: Path) -> None:
    database = tmp_path / "bot" / "tracebot.db"
    database.parent.mkdir()
    open_database(database).close()
    environment = {"PATH": "/usr/bin:/bin", "TRACEBOT_DATABASE_URL": str(database)}
    paths = {"the database": database}
    attempts = list(attack_files(paths, environment, tmp_path, isolation="off"))
    held = {attempt.tried: attempt.held for attempt in attempts}
    assert held["read the database"] is False
    assert held["signal the bot"] is False
    # The reaper ends what leaves its session, confined or not.
    assert held["outlive its turn by leaving its session"] is True


@pytest.mark.skipif(landlock_version() == 0, reason="this kernel has no Landlock")
def test_an_installation_is_attacked_where_it_is(tmp_path: Path) -> None:
    with Observability.open(tmp_path / "own.db", platform="cli"):
        pass
    (tmp_path / ".env").write_text(f"TRACEBOT_DATABASE_URL={tmp_path}/own.db\n")
    done = attack("--installation", str(tmp_path), HOME=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "held" in done.stdout
    assert "read the database" in done.stdout
    assert "BROKEN" not in done.stdout


def test_secrets_that_are_stored_break_the_promise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = Planted("word", "plain", "the plan is bluebird", ("bluebird",))
    monkeypatch.setattr("tests.attack.secrets.planted", lambda seed: [unknown])
    (attempt,) = attack_secrets(tmp_path / "secrets")
    assert attempt.held is False


def test_a_door_that_is_closed_is_not_called_safe() -> None:
    assert [attempt.held for attempt in attack_slack_door("http://127.0.0.1:9")][0] is None
