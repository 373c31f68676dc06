"""The filter that keeps the bot's own secrets out of what it posts."""

import base64
import json
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, strategies

from bot.agents.config.roster import load_roster
from bot.settings import Settings
from bot.slack.own_secrets import HELD_BACK, REMOVED, OwnSecrets
from storage.model.redaction import redact

BOT, APP, SIGNING = "xoxb-1234-5678-abcDEF", "xapp-1-A1-2-beef", "8f74+/signing&secret=="
COLLECTOR, PASSWORD, KEY, PASSED = 'coll"ector\\token', "p@ss:wo/rd", "lm-studio-key-1", "abcabcab4"
AGENTS = """
[agents.local]
provider = "openai"
model = "m"
base_url = "http://127.0.0.1:1/v1"
api_key_env = "LOCAL_KEY"
[agents.program]
provider = "command"
command = ["true"]
pass_environment = ["DEPLOY_*"]
environment = { OWN_SECRET = "in-the-file", COLOUR = "the-colour-blue" }
"""


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OwnSecrets:
    return known(tmp_path, monkeypatch)


def known(folder: Path, monkeypatch: pytest.MonkeyPatch) -> OwnSecrets:
    monkeypatch.setenv("LOCAL_KEY", KEY)
    monkeypatch.setenv("DEPLOY_TOKEN", PASSED)
    monkeypatch.setenv("DEPLOY_TARGET", "production-cluster")
    agents = folder / "agents.toml"
    agents.write_text(AGENTS)
    settings = Settings(
        _env_file=None,
        SLACK_BOT_TOKEN=BOT,
        SLACK_APP_TOKEN=APP,
        SLACK_SIGNING_SECRET=SIGNING,
        otlp_token=COLLECTOR,
        database_url=f"postgresql://bot:{quote(PASSWORD, safe='')}@db.example/traces",
    )
    return OwnSecrets(settings, load_roster(agents))


VALUES = (BOT, APP, SIGNING, COLLECTOR, PASSWORD, KEY, PASSED, "in-the-file")
FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in a URL": lambda value: quote(value, safe=""),
    "in a URL, each character": lambda value: "".join(f"%{byte:02X}" for byte in value.encode()),
    "in capitals": str.upper,
    "in small letters": str.lower,
    "in JSON": lambda value: json.dumps({"text": value}),
    "in HTML": escape,
    "in hexadecimal": lambda value: value.encode().hex(),
    "reversed": lambda value: value[::-1],
    "split by what nobody sees": lambda value: "\u200b\u2060".join(value),
    "split by joiners and soft hyphens": lambda value: "\u200d\u00ad\ufeff\u200e".join(value),
    "in base64 of a file, in lines": lambda value: base64.encodebytes(
        f"{'#' * 50}\n{value}\n{'#' * 50}".encode()
    ).decode(),
    "in base64": lambda value: base64.b64encode(value.encode()).decode(),
    "in base64 behind a name": lambda value: base64.b64encode(f"x:{value}\n".encode()).decode(),
    "in base64 of a URL": lambda value: base64.urlsafe_b64encode(f"t={value}&".encode()).decode(),
}


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("form", FORMS)
def test_no_form_of_a_secret_is_left(secrets: OwnSecrets, value: str, form: str) -> None:
    told = FORMS[form](value)
    text = f"here it is: {told}, and it works"
    clean = secrets.removed(text)
    assert REMOVED in clean
    assert clean.startswith("here it is: ")
    assert clean.endswith(", and it works")
    assert value not in clean
    assert secrets.found(text)


def test_other_text_is_left_as_it_is(secrets: OwnSecrets) -> None:
    text = "production-cluster, the-colour-blue, xoxb-…, abcabc, a token, p@ss, postgresql://bot"
    assert secrets.removed(text) == secrets.settled(f"{text} ").rstrip() == text
    assert secrets.found(text) == ()


def test_what_nobody_sees_is_left_where_there_is_no_secret(secrets: OwnSecrets) -> None:
    text = "a\u200bb co\u00adoperate 👩\u200d👩\u200d👧 می\u200cخواهم 1\ufe0f\u20e3"
    assert secrets.removed(text) == text
    assert secrets.settled(f"{text} ") == f"{text} ".replace("\u200b", "").replace("\u00ad", "")


def test_a_split_secret_is_not_streamed_piece_by_piece(secrets: OwnSecrets) -> None:
    told = "It is " + "\u200b".join(BOT)
    for end in range(len(told)):
        assert len(secrets.settled(told[:end])) <= len("It is ") + HELD_BACK
    assert secrets.settled(f"{told} .") == f"It is {REMOVED} ."


def test_secrets_in_lists_and_objects_are_removed(secrets: OwnSecrets) -> None:
    told: dict[str, Any] = {"blocks": [{"text": {"text": f"a {BOT}"}}], "n": 1, "t": (APP,)}
    assert secrets.removed_from(told) == {
        "blocks": [{"text": {"text": f"a {REMOVED}"}}],
        "n": 1,
        "t": [REMOVED],
    }


def test_keys_of_an_agents_file_that_was_read_again_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = known(tmp_path, monkeypatch)
    monkeypatch.setenv("LOCAL_KEY", "another-key-2")
    assert secrets.removed("another-key-2") == "another-key-2"
    secrets._roster.reload()
    assert secrets.removed("another-key-2") == REMOVED


PIECES = strategies.lists(
    strategies.one_of(
        strategies.sampled_from([*VALUES, "abc", "xox", "xapp-1-A1-", "abcabcabc", "abcab"]),
        strategies.text(alphabet="abcx-&=/ \n", max_size=6),
    ),
    max_size=8,
)


@given(pieces=PIECES, cuts=strategies.sets(strategies.integers(0, 120)))
def test_a_text_that_grows_never_shows_part_of_a_secret(pieces: list[str], cuts: set[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        secrets = GROWING or GROWING.append(_growing(patch)) or GROWING
    text, shown = "".join(pieces), ""
    for cut in sorted({*cuts, len(text)}):
        now = secrets[0].settled(text[:cut])
        assert now.startswith(shown[: 1 - HELD_BACK]), (shown, now)
        assert not any(value in now for value in VALUES)
        for begun in (value[:end] for value in (BOT, APP) for end in range(HELD_BACK, len(value))):
            if text[:cut].endswith(begun):
                assert len(now) <= len(secrets[0].removed(text[:cut])) - len(begun)
        shown = now
    whole = secrets[0].removed(text)
    assert whole.startswith(shown[: 1 - HELD_BACK])
    assert not any(value in whole for value in VALUES)


GROWING: list[OwnSecrets] = []


def _growing(patch: pytest.MonkeyPatch) -> OwnSecrets:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return known(Path(folder), patch)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://db.example/traces?user=bot&password=correct-horse",
        "postgresql://bot:other@db.example/traces?sslpassword=correct-horse",
    ],
)
def test_a_password_behind_the_name_of_the_database_is_one_too(url: str) -> None:
    secrets = OwnSecrets(Settings(_env_file=None, database_url=url), load_roster(None))
    assert secrets.found("it is correct-horse")


@pytest.mark.parametrize("password", ["tracebot", "Tracebot", "TRACEBOT", "changeme"])
def test_an_everyday_word_as_a_password_stays_a_word_elsewhere(
    password: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(_env_file=None, database_url=f"postgresql://bot:{password}@db/traces")
    secrets = OwnSecrets(settings, load_roster(None))
    texts = (f"ask {password}", "tracebot.within.span_id", "changeme")
    assert [secrets.removed(text) for text in texts] == [*texts]
    assert [redact(text) for text in texts] == [*texts]
    assert "TRACEBOT_DATABASE_URL is an everyday word" in caplog.text


@pytest.mark.parametrize("password", ["hunter", "xkqjzvwpmtrb", "QWZXKVBNTRMP", "bot-42!"])
def test_a_word_that_somebody_made_up_is_none(password: str) -> None:
    settings = Settings(_env_file=None, database_url=f"postgresql://ann:{password}@db/payroll")
    secrets = OwnSecrets(settings, load_roster(None))
    assert secrets.found(f"it is {password}")
    named = Settings(_env_file=None, database_url="postgresql://ann:payroll@db/payroll")
    assert not OwnSecrets(named, load_roster(None)).found("it is the payroll")


def test_the_bot_knows_its_own_messages_whatever_its_secrets_are() -> None:
    settings = Settings(_env_file=None, database_url="postgresql://bot:tracebot_r@db/traces")
    secrets = OwnSecrets(settings, load_roster(None))
    button = {"type": "button", "action_id": "tracebot:stop"}
    sent = {"metadata": {"event_type": "tracebot_reply"}, "blocks": [button]}
    assert secrets.removed_from({**sent, "text": "tracebot_r"}) == {**sent, "text": REMOVED}


@pytest.mark.parametrize("place", ["PGPASSWORD", "PGPASSFILE"])
def test_so_is_a_password_that_is_not_in_the_url(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "passwords"
    file.write_text("# mine\ndb.example:*:traces:b\\:ot:correct\\:horse\n")
    monkeypatch.setenv(place, "correct:horse" if place == "PGPASSWORD" else str(file))
    settings = Settings(_env_file=None, database_url="postgresql://bot@db.example/traces")
    assert OwnSecrets(settings, load_roster(None)).found("it is correct:horse")
