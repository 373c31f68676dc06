"""Settings: every variable is documented, mistakes name the variable, and no token is leaked."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.settings import (
    DefaultSettings,
    Settings,
    SettingsError,
    given_token,
    load_settings,
    misspelt_names,
    require,
)
from tests.support.paths import ROOT

EXAMPLE = ROOT / ".env.example"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("SLACK_", "TRACEBOT_")) or name == "PORT":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def variables() -> set[str]:
    """Return the names of the variables that `Settings` reads."""
    return {
        str(info.validation_alias or f"TRACEBOT_{name.upper()}")
        for name, info in Settings.model_fields.items()
    }


def test_the_example_and_the_settings_name_the_same_variables() -> None:
    lines = EXAMPLE.read_text().splitlines()
    named = {line.partition("=")[0] for line in lines if line and not line.startswith("#")}
    assert named == variables()


def test_each_variable_of_the_example_has_a_line_on_what_it_does() -> None:
    lines = EXAMPLE.read_text().splitlines()
    for before, line in zip(lines, lines[1:], strict=False):
        if line and not line.startswith("#"):
            assert before.startswith("# "), line


def test_the_example_holds_the_defaults() -> None:
    from_example = Settings(_env_file=EXAMPLE)  # type: ignore[call-arg]
    plain = Settings(_env_file=None)  # type: ignore[call-arg]
    left_out = {"agents"}  # An empty path is no path.
    assert from_example.model_dump(exclude=left_out) == plain.model_dump(exclude=left_out)
    assert from_example.agents is None


def test_an_env_file_in_the_working_directory_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SLACK_BOT_TOKEN=xoxb-1\nTRACEBOT_WORKERS=3\nUNRELATED=1\n")
    settings = load_settings()
    assert settings.slack_bot_token.get_secret_value() == "xoxb-1"
    assert settings.workers == 3


def test_tokens_are_taken_out_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET"):
        monkeypatch.setenv(name, "xoxb-1" if "BOT" in name else "xapp-1")
    settings = load_settings()
    assert settings.slack_app_token == SecretStr("xapp-1")
    assert not [name for name in os.environ if name.startswith("SLACK_")]


def test_tokens_are_wiped_from_what_other_processes_can_read() -> None:
    """A child of the same user may read `/proc/PID/environ` of its parent."""
    script = (
        "from bot.settings import load_settings\n"
        "before = open('/proc/self/environ').read()\n"
        "load_settings(_env_file=None)\n"
        "after = open('/proc/self/environ').read()\n"
        "print('xoxb-1-secret' in before, 'xoxb-1-secret' in after, 'KEPT=here' in after)\n"
    )
    environ = {**os.environ, "SLACK_BOT_TOKEN": "xoxb-1-secret", "KEPT": "here"}
    shown = subprocess.run(
        [sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True
    )
    assert shown.stdout.split() == ["True", "False", "True"]


def test_tokens_are_hidden_when_settings_are_printed() -> None:
    settings = load_settings(SLACK_BOT_TOKEN="xoxb-secret")
    assert "xoxb-secret" not in repr(settings)
    assert "xoxb-secret" not in settings.model_dump_json()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SLACK_BOT_TOKEN", "xapp-1"),
        ("SLACK_APP_TOKEN", "xoxb-1"),
        ("SLACK_SIGNING_SECRET", "0a1b # of the app"),
        ("PORT", "70000"),
        ("TRACEBOT_CAPTURE", "everything"),
        ("TRACEBOT_RETENTION", "30"),
        ("TRACEBOT_HOURLY_STATISTICS", "6d"),
        ("TRACEBOT_DAILY_STATISTICS", "400"),
        ("TRACEBOT_WORKERS", "0"),
        ("TRACEBOT_MAX_FILE_MB", "-1"),
    ],
)
def test_an_invalid_value_is_refused_with_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name) as refused:
        load_settings()
    assert value not in str(refused.value) or not name.startswith("SLACK_")


def test_all_mistakes_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "70000")
    monkeypatch.setenv("TRACEBOT_OTLP_PORT", "any")
    monkeypatch.setenv("SLACK_BOT_TOKEN", " xoxb-1")
    with pytest.raises(SettingsError) as refused:
        load_settings()
    for said in ("TRACEBOT_OTLP_PORT is", "than or equal to 65535", "it contains a space"):
        assert said in str(refused.value)
    assert str(refused.value).count(" is not valid: ") == 3


def test_each_way_of_serving_names_what_it_lacks() -> None:
    settings = load_settings(SLACK_BOT_TOKEN="xoxb-1")
    with pytest.raises(SettingsError, match="SLACK_APP_TOKEN"):
        require(settings, http=False)
    with pytest.raises(SettingsError, match="SLACK_SIGNING_SECRET"):
        require(settings, http=True)


def test_settings_are_read_without_loading_a_database() -> None:
    script = "import sys, bot.settings; print(*sys.modules)"
    shown = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = shown.stdout.split()
    assert not [
        name for name in loaded if name.startswith(("peewee", "cysqlite", "storage.database"))
    ]


def test_reactions_that_count_are_names_of_emoji(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEBOT_FEEDBACK_UP", ":thumbsup:, rocket::skin-tone-2,")
    monkeypatch.setenv("TRACEBOT_FEEDBACK_DOWN", "")
    settings = load_settings()
    assert (settings.feedback_up, settings.feedback_down) == ({"+1", "rocket"}, frozenset())
    for wrong, problem in (
        ("👎", "FEEDBACK_DOWN is not valid: it must be names of emoji with commas between them"),
        ("-1,+1", r"FEEDBACK_DOWN is not valid: \+1 is in TRACEBOT_FEEDBACK_UP, too"),
    ):
        monkeypatch.setenv("TRACEBOT_FEEDBACK_DOWN", wrong)
        with pytest.raises(SettingsError, match=problem):
            load_settings()


def test_an_env_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes("SLACK_BOT_TOKEN=xoxb-1\n".encode("utf-16"))
    for read in (load_settings, misspelt_names, lambda: given_token("SLACK_BOT_TOKEN")):
        with pytest.raises(SettingsError, match="env cannot be read .it is not UTF-8.: save it"):
            read()


def test_a_folder_that_may_not_be_entered_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Refused(Settings):
        def __init__(self, **given: object) -> None:
            raise PermissionError(13, "Permission denied", ".env")

    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(SettingsError, match=f"may not enter the folder {tmp_path}, where .env"):
        load_settings(Refused)


def test_the_bot_of_a_demo_has_the_defaults(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("TRACEBOT_WORKERS=1\n")
    monkeypatch.setenv("TRACEBOT_CAPTURE", "none")
    monkeypatch.setenv("PORT", "1")
    found = load_settings(DefaultSettings)
    assert (found.workers, found.capture, found.port) == (8, "preview", 3000)


LINKS = {
    f"{service}_{name}": value
    for service in ("TRACEBOT", "TRACEBOT_OTLP")
    for name, value in {
        "SERVICE_HOST": "10.43.0.1",
        "SERVICE_PORT": "3000",
        "SERVICE_PORT_HTTP": "3000",
        "PORT": "tcp://10.43.0.1:3000",
        "PORT_3000_TCP": "tcp://10.43.0.1:3000",
        "PORT_3000_TCP_PROTO": "tcp",
        "PORT_3000_TCP_PORT": "3000",
        "PORT_3000_TCP_ADDR": "10.43.0.1",
    }.items()
}


def test_what_kubernetes_sets_for_a_service_of_our_name_is_no_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in LINKS.items():
        monkeypatch.setenv(name, value)
    assert misspelt_names() == []
    settings = load_settings()
    assert (settings.port, settings.otlp_port) == (3000, 0)
    monkeypatch.setenv("TRACEBOT_OTLP_SERVICE_HOST", "10.43.0.1")
    monkeypatch.setenv("TRACEBOT_OTLP_PORT", "4318")
    monkeypatch.setenv("TRACEBOT_PROT", "3001")
    assert load_settings().otlp_port == 4318
    assert len(misspelt_names()) == 1


def test_a_setting_has_only_the_name_that_is_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEBOT_PORT", "4000")
    monkeypatch.setenv("TRACEBOT_SLACK_BOT_TOKEN", "xoxb-1-a")
    settings = load_settings()
    assert settings.port == 3000
    assert settings.slack_bot_token.get_secret_value() == ""
    assert len(misspelt_names()) == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SLACK_BOT_TOKEN", '"xoxb-1-a"'),
        ("SLACK_SIGNING_SECRET", "'0a1b'"),
        ("TRACEBOT_AGENTS", '"agents.toml"'),
        ("TRACEBOT_DATABASE_URL", '"/data/t.db"'),
        ("TRACEBOT_GRACE", '"20"'),
    ],
)
def test_quotes_around_a_value_are_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=rf"{name} .*leave out the quotes"):
        load_settings()
