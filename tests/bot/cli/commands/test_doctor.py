"""`tracebot doctor` finds faults, gives advice and never shows a token."""

import json
import os
from pathlib import Path

import pytest

from bot.cli.commands.doctor import WARNING, WELL, WRONG, Finding, _clock, doctor, examine
from bot.sandbox import Sandbox


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, db_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("SLACK_", "TRACEBOT_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACEBOT_DATABASE_URL", str(db_path))


def found(database: str | None = None) -> dict[str, Finding]:
    return {finding.what: finding for finding in examine(database)}


def test_without_slack_only_the_tokens_are_missing(
    db_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    findings = found()
    assert {name for name, each in findings.items() if each.mark != WELL} <= {
        *("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET"),
        *("database", "disk free"),  # The machine of the test may be a full one.
    }
    assert findings["SLACK_BOT_TOKEN"].mark == WARNING
    assert str(db_path) in findings["database"].found
    doctor(database=None, as_json=False)
    shown = capsys.readouterr().out
    assert "→ tracebot serve needs it" in shown
    doctor(database=None, as_json=True)
    assert json.loads(capsys.readouterr().out)["findings"][0]["what"] == "settings"


def test_slack_is_asked_if_it_accepts_the_token(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", sandbox.bot_token)
    monkeypatch.setenv("SLACK_API_URL", sandbox.api_url)
    findings = found()
    assert findings["Slack"].mark == WELL
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-wrong-secret")
    assert doctor(database=None, as_json=False) == 1
    shown = capsys.readouterr().out
    assert "✗ Slack" in shown and "invalid_auth" in shown
    assert "xoxb" not in shown


def test_agents_that_are_not_confined_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "agents.toml"
    path.write_text("[agents.words]\ncommand = ['wc']\nisolation = 'off'\n")
    monkeypatch.setenv("TRACEBOT_AGENTS", str(path))
    doctor(database=None, as_json=False)
    shown = capsys.readouterr().out
    assert (
        'words are not confined (isolation = "off"): they reach whatever the bot reaches' in shown
    )
    assert '→ remove isolation = "off", or set user to a user of their own' in shown


def test_a_slack_that_cannot_be_reached_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-1")
    monkeypatch.setenv("SLACK_API_URL", "http://127.0.0.1:9/api/")
    slack = found()["Slack"]
    assert (slack.mark, "SLACK_API_URL" in slack.advice) == (WRONG, True)


def test_each_fault_is_reported_with_advice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TRACEBOT_AGENTS", str(tmp_path / "none.toml"))
    (tmp_path / "notes.txt").write_text("no database " * 1_000)
    findings = found(str(tmp_path / "notes.txt"))
    assert (findings["agents"].mark, findings["database"].mark) == (WRONG, WRONG)
    assert "none.toml" in findings["agents"].advice
    assert "TRACEBOT_DATABASE_URL" in findings["database"].advice
    monkeypatch.setenv("TRACEBOT_WORKERS", "many")
    (only,) = examine(None)
    assert (only.mark, "TRACEBOT_WORKERS" in only.advice) == (WRONG, True)


@pytest.mark.parametrize(("ahead", "mark"), [(2.0, WELL), (-400.0, WRONG), (90.0, WRONG)])
def test_a_clock_that_is_off_is_wrong(ahead: float, mark: str) -> None:
    assert _clock(ahead).mark == mark
