"""`tracebot doctor` finds faults, gives advice and never shows a token."""

import json
import os
import shutil
import socket
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from bot.cli.commands.doctor import doctor, examine
from bot.cli.findings import WARNING, WELL, WRONG, Finding
from bot.cli.slack_checks import _clock, _port
from bot.http.server import WebServer
from bot.sandbox import Sandbox
from storage import Observability


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


def test_a_copy_of_the_database_that_an_agent_can_read_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    db_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Observability.open(db_path, platform="cli") as observability:
        observability.log_structured("info", "x", {})
    work = tmp_path / "work"
    (work / "deep").mkdir(parents=True)
    copy = work / "deep" / "monday.db"
    shutil.copyfile(db_path, copy)
    path = tmp_path / "agents.toml"
    path.write_text("[agents.words]\ncommand = ['wc']\nworking_directory = 'work'\n")
    monkeypatch.setenv("TRACEBOT_AGENTS", str(path))
    doctor(database=None, as_json=False)
    shown = " ".join(capsys.readouterr().out.split())
    assert f"words can read {copy}, a copy of a database of tracebot" in shown


def test_a_slack_that_cannot_be_reached_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-1")
    monkeypatch.setenv("SLACK_API_URL", "http://127.0.0.1:9/api/")
    slack = found()["Slack"]
    assert (slack.mark, "SLACK_API_URL" in slack.found) == (WRONG, True)


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


def test_doctor_finds_what_serve_would_refuse(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", sandbox.bot_token)
    monkeypatch.setenv("SLACK_APP_TOKEN", sandbox.app_token)
    monkeypatch.setenv("SLACK_API_URL", sandbox.api_url)
    findings = found()
    assert (findings["Slack"].mark, findings["Socket Mode"].mark) == (WELL, WELL)
    assert "scopes" not in findings
    secret = findings["SLACK_SIGNING_SECRET"]  # Socket Mode works without it.
    assert (secret.mark, secret.found) == (
        WELL,
        "is not set; only tracebot serve --http needs it",
    )
    sandbox.faults.answer(
        "bots.info", json.dumps({"ok": True, "bot": {"id": "B1", "app_id": "A0OTHER"}})
    )
    monkeypatch.setenv("SLACK_BOT_TOKEN", sandbox.bot_token)
    monkeypatch.setenv("SLACK_APP_TOKEN", sandbox.app_token)
    assert "belongs to another Slack app" in found()["Socket Mode"].advice
    monkeypatch.setenv("SLACK_APP_TOKEN", "xapp-wrong")
    socket_mode = found()["Socket Mode"]
    assert socket_mode.mark == WRONG
    assert "SLACK_APP_TOKEN (invalid_auth)" in socket_mode.advice
    with Sandbox.start(sandbox.manifest.without("files:read")) as poorer:
        monkeypatch.setenv("SLACK_API_URL", poorer.api_url)
        monkeypatch.setenv("SLACK_BOT_TOKEN", poorer.bot_token)
        slack = found()["Slack"]
    assert (slack.mark, "files:read" in slack.advice) == (WRONG, True)


def test_scopes_that_slack_does_not_tell_are_unknown_and_not_missing(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", sandbox.bot_token)
    monkeypatch.setenv("SLACK_API_URL", sandbox.api_url)
    sandbox.scopes_header = None
    findings = found()
    assert (findings["Slack"].mark, findings["scopes"].mark) == (WELL, WARNING)


def test_user_groups_without_their_scope_are_found(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", sandbox.bot_token)
    monkeypatch.setenv("SLACK_API_URL", sandbox.api_url)
    path = tmp_path / "agents.toml"
    path.write_text("[agents.a]\nprovider = 'echo'\n[agents.a.access]\ngroups = ['S0123456']\n")
    monkeypatch.setenv("TRACEBOT_AGENTS", str(path))
    assert "usergroups:read" in found()["user groups"].advice


def test_ports_that_cannot_be_opened_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_SIGNING_SECRET", "abc")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("PORT", str(port))
        monkeypatch.setenv("TRACEBOT_OTLP_PORT", str(port))
        monkeypatch.setattr("bot.cli.slack_checks.PORT_S", 0.1)
        findings = found()
    assert (findings["PORT"].mark, findings["TRACEBOT_OTLP_PORT"].mark) == (WRONG, WRONG)
    assert findings["PORT"].found == f"port {port} cannot be opened (Address already in use)"
    monkeypatch.setenv("SLACK_SIGNING_SECRET", "abc")
    findings = found()
    assert (findings["PORT"].mark, findings["TRACEBOT_OTLP_PORT"].mark) == (WELL, WELL)


def test_a_port_of_a_running_bot_is_well() -> None:
    web = Starlette(routes=[Route("/health", lambda request: JSONResponse({"ok": True}))])
    server = WebServer(web, host="127.0.0.1", port=0)
    server.start()
    try:
        assert _port("PORT", "127.0.0.1", server.port) == Finding(
            mark=WELL, what="PORT", found=f"tracebot listens on port {server.port}"
        )
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("TRACEBOT_AGENTS_FILE", "Did you mean TRACEBOT_AGENTS?"),
        ("TRACEBOT_RETENTON", "Did you mean TRACEBOT_RETENTION?"),
        ("TRACEBOT_ZZZ", "TRACEBOT_ZZZ is not a setting. See .env.example"),
        ("TRACEBOT_SLACK_APP_TOKEN", "Did you mean SLACK_APP_TOKEN?"),
        ("TRACEBOT_PORT", "Did you mean PORT?"),
        ("SLACK_BOT_TOKN", "Did you mean SLACK_BOT_TOKEN?"),
        ("TRACBOT_WORKERS", "Did you mean TRACEBOT_WORKERS?"),
    ],
)
def test_misspelt_names_are_found(
    name: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(name, "5")
    assert said in hints()
    monkeypatch.delenv(name)
    (tmp_path / ".env").write_text(f"{name}=5\n")
    monkeypatch.setenv("TRACEBOT_CAPTURE", "all")  # What is invalid hides no hint.
    assert said in hints()


@pytest.mark.parametrize(("mode", "open_"), [(0o600, False), (0o640, False), (0o644, True)])
def test_tokens_that_every_user_can_read_are_found(
    mode: int, open_: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").touch(mode=0o600)
    (tmp_path / ".env").chmod(mode)
    assert ("every user of this machine can read it" in hints()) == open_


def hints() -> str:
    return "".join(each.found for each in examine(None) if each.mark == WARNING)


@pytest.mark.parametrize("name", ["SLACK_WEBHOOK_URL", "PORTS", "tracebot_workers", "HOME"])
def test_names_of_others_are_left_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "5")
    assert "is not a setting" not in hints()


@pytest.mark.parametrize("port", ["99999", "-1", "http", "3000.5", ""])
def test_a_port_that_makes_no_sense_is_a_sentence(
    port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", port)
    (only,) = examine(None)
    assert (only.mark, only.advice.startswith("PORT is not valid: ")) == (WRONG, True)


@pytest.mark.parametrize(
    ("name", "token", "said"),
    [
        ("SLACK_BOT_TOKEN", "xapp-1-abc", "this is an app's token, for SLACK_APP_TOKEN"),
        ("SLACK_APP_TOKEN", "xoxb-1-abc", "this is a bot's token, for SLACK_BOT_TOKEN"),
        ("SLACK_BOT_TOKEN", "xoxp-1-abc", "this is a user's token"),
        ("SLACK_BOT_TOKEN", "xoxe.xoxb-1-abc", "token rotation"),
    ],
)
def test_a_token_in_the_wrong_place_is_named(
    name: str, token: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, token)
    (only,) = examine(None)
    assert (only.mark, said in only.advice, token in only.advice) == (WRONG, True, False)


def test_a_key_that_is_an_everyday_word_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    agents = tmp_path / "agents.toml"
    agents.write_text('[agents.local]\nprovider = "openai"\nmodel = "m"\napi_key_env = "LOCAL_KEY"')
    monkeypatch.setenv("TRACEBOT_AGENTS", str(agents))
    monkeypatch.setenv("LOCAL_KEY", "ollama")
    assert found()["secrets"].found.startswith("LOCAL_KEY is an everyday word")
    monkeypatch.setenv("LOCAL_KEY", "ollama-7")
    assert "secrets" not in found()
