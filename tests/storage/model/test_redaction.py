"""Recognise secrets, and text that only looks like one."""

import json
import re
import subprocess
import sys
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from itertools import chain
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.model.redaction import (
    REDACTION_FAILED,
    VALUES,
    hints,
    patterns,
    redact,
    redact_arguments,
    redact_name,
    redact_value,
    redact_values,
    redacted_end,
    suspicious,
    tables,
)
from storage.model.redaction.kinds import KINDS
from storage.model.span import Span
from storage.store.span_rows import SPAN_FIELDS, span_rows
from tests.support.redaction_corpus import (
    KEY_FILES,
    LINES,
    SHAPES,
    Planted,
    harmless,
    planted,
)
from tests.support.secrets import SECRETS

CONTEXTS = [
    "{}",
    "use {} please",
    '{{"key": "{}"}}',
    "https://example.com/?q={}",
    "KEY={}",
    "first line\n{}\nlast line",
    "ünïcödé → {} ✓",
]


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
def test_a_secret_is_recognised_by_its_shape(secret: str, context: str) -> None:
    redacted = redact(context.format(secret))
    assert secret not in redacted
    assert "[redacted:" in redacted


@pytest.mark.parametrize(
    "text",
    [
        "password=correct-horse",
        "PASSWORD='correct-horse'",
        '"client_secret": "correct-horse"',
        '{\\"signing_secret\\": \\"correct-horse\\"}',
        "api-key: correct-horse",
        "--auth-token correct-horse",
        "--token=correct-horse",
        "Authorization: Bearer correct-horse",
        "authorization: basic correct-horse",
        "curl -H 'Authorization: token correct-horse'",
        "postgresql://bot:correct-horse@db.example.com/traces",
        "https://example.com/?a=1&access_token=correct-horse&b=2",
        "tracebot move 'postgresql:/bot:correct-horse@db/traces'",
        "postgres:bot:correct-horse@db",
        "postgres//bot:correct-horse@db/traces",
    ],
)
def test_a_secret_is_recognised_by_its_name(text: str) -> None:
    redacted = redact(text)
    assert "correct-horse" not in redacted
    assert "[redacted:secret]" in redacted


def test_the_text_around_a_secret_is_kept() -> None:
    url = "postgresql://bot:correct-horse@db.example.com/traces"
    assert redact(url) == "postgresql://bot:[redacted:secret]@db.example.com/traces"
    assert redact("a=1&token=xyz12345&b=2") == "a=1&token=[redacted:secret]&b=2"


@pytest.mark.parametrize(
    "text",
    [
        "max_tokens: 4096",
        '"max_tokens": 4096, "input_tokens": 12',
        "next_token: null",
        "the token was refused",
        "tokenizer=cl100k_base",
        "secretary: Ms Bird",
        "commit 3b18e512dba79e4c8300dd08aeb37f8e728b8dad",
        "trace 0af7651916cd43dd8448eb211c80319c",
        "id 123e4567-e89b-12d3-a456-426614174000",
        "https://example.com/a/b?page=2",
        "ask-me-anything-about-this-topic-today",
        "token_count=17",
    ],
)
def test_text_that_only_looks_like_a_secret_is_kept(text: str) -> None:
    assert redact(text) == text


def test_values_of_secret_names_are_replaced_whatever_they_look_like() -> None:
    value = {
        "password": "hunter2",
        "passwordForAdmin": "hunter",
        "api_key_stripe": "f00dCafe2026",
        "passwordPolicy": "at-least-12",
        "env": {"SLACK_SIGNING_SECRET": "abc", "HOME": "/root"},
        "list": [{"token": "t0k"}],
        "max_tokens": 4096,
        "token": 7,
        "secret": None,
    }
    assert redact_value(value) == {
        "password": "[redacted:secret]",
        "passwordForAdmin": "[redacted:secret]",
        "api_key_stripe": "[redacted:secret]",
        "passwordPolicy": "at-least-12",
        "env": {"SLACK_SIGNING_SECRET": "[redacted:secret]", "HOME": "/root"},
        "list": [{"token": "[redacted:secret]"}],
        "max_tokens": 4096,
        "token": 7,
        "secret": None,
    }


def test_arguments_lose_what_follows_a_secret_name() -> None:
    arguments = ["curl", "--token", "abc", "--max-tokens", "5", "API_KEY=abc", "--password", "--v"]
    assert redact_arguments(arguments) == [
        "curl",
        "--token",
        "[redacted:secret]",
        "--max-tokens",
        "5",
        "API_KEY=[redacted:secret]",
        "--password",
        "--v",
    ]


def test_unusual_values_become_values_that_json_can_hold() -> None:
    cycle: list[object] = []
    cycle.append(cycle)
    value = {1: b"\xff\xfe", "nan": float("nan"), "cycle": cycle, "surrogate": "a\ud800b"}
    json.dumps(redact_value(value), allow_nan=False).encode()


def test_a_value_is_not_stored_if_redaction_fails() -> None:
    class Hostile:
        def __str__(self) -> str:
            raise RuntimeError("no words")

    assert redact_value({"a": Hostile(), "b": "visible"}) == REDACTION_FAILED


@given(st.text())
def test_redacting_never_raises_and_a_second_time_changes_nothing(text: str) -> None:
    once = redact(text)
    once.encode()
    assert redact(once) == once


@given(st.text(max_size=40), st.sampled_from(sorted(SECRETS.values())), st.text(max_size=40))
def test_a_secret_is_found_whatever_text_surrounds_it(before: str, secret: str, after: str) -> None:
    assert secret not in redact(f"{before} {secret} {after}")


def _texts(pattern: str) -> st.SearchStrategy[str]:
    for_python = re.sub(r"\\x\{(\w+)\}", lambda code: f"\\U{int(code[1], 16):08x}", pattern)
    # What `\s`, `\w` and `\d` are to RE2: without a vertical tab, and of ASCII only.
    alphabet = st.characters(exclude_characters="\v")
    return st.from_regex(re.compile(for_python, re.ASCII), fullmatch=True, alphabet=alphabet)


BEGINNINGS = sorted(chain.from_iterable(KINDS.values()))
HINTS = sorted(chain.from_iterable(place.HINTS for place in hints.PLACES))


@pytest.mark.parametrize("tried", [BEGINNINGS, HINTS], ids=["shapes", "hints"])
@given(st.data())
def test_whatever_may_be_a_secret_is_looked_at(tried: list[str], data: st.DataObject) -> None:
    assert suspicious(data.draw(st.sampled_from(tried).flatmap(_texts)))


SAMPLE = 7
ALONE = 3
"""One in so many of the corpus is tried here. tests/soak/test_redaction.py tries all of it."""


@pytest.fixture(scope="module")
def sample() -> list[Planted]:
    return list(planted(seed=19))[::SAMPLE]


def test_hardly_a_planted_secret_is_stored(sample: list[Planted]) -> None:
    stored = [each for each in sample if each.stored]
    assert len(stored) <= len(sample) * 0.01, stored[:10]


def test_each_kind_is_known_where_it_stands_alone() -> None:
    """Try each shape, and a part of the names and of the lines from lists."""
    shapes = {*SHAPES, *KEY_FILES, *LINES}
    alone = [each for each in planted(seed=19) if each.wrapping == "alone"]
    tried = [each for at, each in enumerate(alone) if each.kind in shapes or at % ALONE == 0]
    assert [(each.kind, each.text) for each in tried if each.stored] == []


def test_hardly_a_harmless_line_is_changed() -> None:
    lines = list(harmless())
    changed = [line for line in lines if redact(line) != line]
    assert len(changed) <= len(lines) * 0.01, changed[:10]


def test_what_is_redacted_is_left_alone_the_next_time(sample: list[Planted]) -> None:
    once = [each.redacted for each in sample]
    once.append("pip install https://[redacted:secret]@pkgs.example.com/simple")
    assert [redact(text) for text in once] == once


def test_arguments_are_read_as_one_command_line() -> None:
    def hidden(*arguments: str) -> list[str]:
        return redact_arguments(arguments)

    assert hidden("curl", "-u", "ann:hunter2", "https://a.example")[2] == "ann:[redacted:secret]"
    assert hidden("mysql", "-phunter2", "shop")[1] == "-p[redacted:secret]"
    assert hidden("sshpass", "-p", "my secret", "ssh", "h")[2] == "[redacted:secret]"
    assert hidden("sh", "-c", "curl -u ann:hunter2 https://a")[2].count("hunter2") == 0
    assert hidden("docker", "run", "-p", "80:80", "nginx")[3] == "80:80"
    assert hidden("mkdir", "-p", "a/b") == ["mkdir", "-p", "a/b"]


def test_a_secret_that_has_a_name_once_is_found_without_it_in_the_same_text() -> None:
    text = "login('ann', 'correct-h0rse') failed: password='correct-h0rse'"
    assert redact(text) == "login('ann', '[redacted:secret]') failed: password='[redacted:secret]'"
    many = "".join(f"password=c0rrect-{number} " for number in range(1_000))
    started = time.process_time()
    assert "c0rrect" not in redact(many * 2)
    assert time.process_time() - started < 2


def test_a_secret_is_found_at_each_level_of_escapes() -> None:
    text = "first\npassword=correct-horse\nlast"
    for _ in range(4):
        text = json.dumps({"text": text})
        assert "correct-horse" not in redact(text)
        assert "first" in redact(text)


@pytest.mark.parametrize(
    "character",
    [
        *("a", "A1", "-", "_", "+/", "ab12-", "=", "[", "\\", "%41", "\u200b"),
        *("cGFzc3dvcmQAAAAA ", '"+"', '"\n   ', "\\\n", "\nstringData:\n a:   x"),
    ],
)
def test_long_texts_take_time_that_grows_with_their_length(character: str) -> None:
    def seconds(length: int) -> float:
        text = "token: " + character * (length // len(character))
        started = time.process_time()
        redact(text)
        return time.process_time() - started

    seconds(1_000)
    assert seconds(80_000) < 20 * max(seconds(10_000), 0.01)


@pytest.mark.parametrize(
    "value",
    [
        "/" + "u6DK9Lr1F1A5oBvoYdRx2Po787Nbj21T" * 3 + "+yQ==",
        "_" + "a" * 60 + "1",
        "token_" + "a" * 60 + "1",
        "a" * 60 + "Pass1",
        "a.b" * 60 + "!",
        "sk-" + "aB" * 100 + "!",
    ],
)
def test_a_value_that_resembles_a_path_or_a_name_takes_no_time(value: str) -> None:
    started = time.process_time()
    redact(f'password="{value}" token={value} the secret is {value}')
    assert time.process_time() - started < 0.5


def test_the_end_of_a_text_has_no_half_of_a_secret() -> None:
    text = "xoxb-" + "123456789012-abcdefghijkl " + "y" * 30
    assert "abcdefghijkl" not in redacted_end(text, 40)
    assert redacted_end("short", 40) == "short"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("salasana: C0rrect-Horse", "C0rrect-Horse"),
        ("mật khẩu: C0rrect-Horse", "C0rrect-Horse"),
        ("كلمة المرور: C0rrect-Horse", "C0rrect-Horse"),
        ("비밀번호는 zebra-lamp-77 입니다", "zebra-lamp-77"),
        ("la clave es hunter2hunter", "hunter2hunter"),
        ("requirepass cAgjnFLrDpoXREHS", "cAgjnFLrDpoXREHS"),
        ("pass_phrase=z4LJpolv1IoI", "z4LJpolv1IoI"),
        ("UID=sa;PWD={OYGmHkeF7Cqu};", "OYGmHkeF7Cqu"),
        ("AKIA4DEMU73FNDBOAHKM:r4B0fimTBMis/OSVIExPynwXll7973kF7TwGT5/R", "r4B0fimTBMis"),
        ("AKIA4DEMU73FNDBOAHKM and r4B0fimTBMis/OSVIExPynwXll7973kF7TwGT5/R", "r4B0fimTBMis"),
        ("ACe35f5bc34bcce8b8582b41213671e147:eb5e0b9e9e84645ba632038a2eb690b0", "eb5e0b9e9e84"),
        ("f2ef2fda106027d9eed80d13d67be65bf6d8FFFFNRAL", "f2ef2fda1060"),
        ("2FA seed: YBKO TYHG XRTU MODI KU77 ITBC QPSZ 3TCO", "YBKO TYHG"),
        ("recovery codes: a1b2c-d3e4f 9f8e7-d6c5b", "d6c5b"),
        ("db:5432:app:ann:BwyFcXW0IZWe", "BwyFcXW0IZWe"),
        ("ann:{SHA}mNYTG5Pl73tqsaEvjdLqHTbgy0s=", "mNYTG5Pl73tq"),
        ("$argon2id$v=19$m=65536,t=3,p=4$4GQVVAecwzhyyLLZ$icFuNfsv1CCUTi", "icFuNfsv1CCU"),
        ("kubectl create secret generic x --from-literal=foo=1DdbC4gbcdw1", "1DdbC4gbcdw1"),
        ('variable "db_password" {\n  default = "W3I2KmLE3iAt"\n}', "W3I2KmLE3iAt"),
        ("WIFI:T:WPA;S:office;P:bE7A2NARy91A;;", "bE7A2NARy91A"),
        ("git clone https://3f9c2b7e1d4a6058c9b2@github.com/a/b.git", "3f9c2b7e1d4a"),
        ("Wi-Fi network Office, code Maple77!", "Maple77!"),
        ("&gt; password:\n&gt; Maple-77x", "Maple-77x"),
        ("SAMLResponse=Y9FmLgChnN4A4PVJU0V0OMq2KwFLp3kP", "Y9FmLgChnN4A"),
        ("env: [{name: API_TOKEN, value: Y9FmLgChnN4A4PVJU0V0}]", "Y9FmLgChnN4A"),
        ("stringData:\n  a: 'x'\n  admin: Y9F-mLgC!hnN4A\nkind: Secret", "mLgC!hnN4A"),
        ("Authorization: Negotiate YIIFmLgChnN4A4PVJU0V0OMq2KwFLp3kP", "YIIFmLgChnN4A"),
        ("<b>Password:</b> Tr0ub4dor&3x@y", "Tr0ub4dor"),
        ("<td>Password</td><td>Tr0ub4dor&3x@y</td>", "Tr0ub4dor"),
        ("password [prod]: Tr0ub4dor&3x@y, Password #2: Vk7#pQ2xLm9w", "Tr0ub4dor"),
        ("password [prod]: Tr0ub4dor&3x@y, Password #2: Vk7#pQ2xLm9w", "Vk7#pQ2xLm9w"),
        ("\x1b]8;;https://a/ghp_0HgBWIh6d08U6GnDTVx6cEcw\x07l\x1b]8;;\x07", "ghp_0HgBWIh6"),
        ("\x1b]0;title\x07ghp_0HgBWIh6d08U6GnDTVx6cEcw", "ghp_0HgBWIh6"),
        ("\x9b31mghp_0HgBWIh6d08U6GnDTVx6cEcw", "ghp_0HgBWIh6"),
        ('curl -b "sid=zK9!vQ2mLp7w" https://a.example', "zK9!vQ2mLp7w"),
        ("xprv9s21ZrQH143K" + "3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPq" * 3, "3QTDL4LXw2F7"),
        ("imported 5Kb8kLf9zgWQnogidDA76MzPL6TsZZY36hWXMssSzNydYXYB9KF", "5Kb8kLf9zgWQ"),
        ("printf '%s' Y9FmLgChnN4A | docker login --password-stdin", "Y9FmLgChnN4A"),
    ],
)
def test_unusual_places_and_languages_are_known(text: str, secret: str) -> None:
    assert secret not in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "Das Passwort ist abgelaufen",
        "<label>Password:</label> <i>required</i>",
        "<td>Password</td><td>required</td>",
        "error: option --password requires an argument",
        "PASSWORD=@PASSWORD@",
        "curl -b cookies.txt -c cookies.txt -b theme=dark https://a.example",
        "パスワードは8文字以上必要です",
        "cookie: consent banner is broken",
        '"jsonwebtoken": "^9.0.2"',
        "ALTER TABLE users ADD COLUMN password VARCHAR(255);",
        'variable "region" { default = "eu-central-1" }',
        "palabra clave: busqueda",
        "one token per request\nbackup_20261126T030000.sql.gz",
        "API_KEY=YOUR_API_KEY\nPASSWORD=${DB_PASSWORD}",
        "I forgot the password\nbuild-2026 is green",
        "public_key: MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE",
        "stringData:\n  url: ${URL}\nkind: Secret",
        b64encode(b"the password field must be long").decode(),
        'name = "acme_" +\n    "production_database_backup"',
    ],
)
def test_sentences_versions_and_types_are_kept(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "export GH_TOKEN={0}\\\n{1}",
        'curl -H "X: {0}\\\r\n    {1}"',
        'KEY="{0}" \\\n  "{1}"',
        "key = '{0}' + '{1}'",
        'key = ("{0}"\n       "{1}")',
        'key = "{0}" +\n    "{1}"',
    ],
)
def test_a_secret_is_found_over_the_end_of_a_line_or_a_string(text: str) -> None:
    start, end = "ghp_0HgBWIh6d08U", "6GnDTVx6cEcw9h94QdDQfsf4"
    for first, last in ((start, end), ("ghp_", start[4:] + end)):
        redacted = redact(text.format(first, last))
        assert "[redacted:" in redacted
        assert end not in redacted


@pytest.mark.parametrize(
    "secret",
    [
        "password=hunter2!Xy",
        "x: 1\nDB_PASSWORD: s3cr3tPw9\n",
        '{"token": "aB3xY9zQ7w2eR5tY8u1i"}',
        "ab API_KEY=aB3xY9zQ7w2eR5tY8u1i?>",
    ],
)
@pytest.mark.parametrize("around", ["{}", "echo {} | base64 -d", '{{"content": "{}"}}'])
def test_a_secret_is_found_in_base64(secret: str, around: str) -> None:
    for before in ("", "a ", "ab "):
        plain = f"{before}{secret}".encode()
        for encoded in (b64encode(plain).decode(), urlsafe_b64encode(plain).decode().rstrip("=")):
            mark = "[redacted:secret]"
            assert redact(around.format(encoded)).rstrip("=") == around.format(mark).rstrip("=")


def test_a_value_that_was_named_is_redacted_wherever_it_stands() -> None:
    value = "blue horse (7)"
    redact_values([value, "short"])
    try:
        assert redact(f"it is {value}, short") == "it is [redacted:secret], short"
        assert redact(json.dumps({"a": f"x\n{value}"})) == '{"a": "x\\n[redacted:secret]"}'
        assert redact_value({"a": [quote(value)]}) == {"a": ["[redacted:secret]"]}
        assert redact_name(value) == "[redacted:secret]"
    finally:
        redact_values([])
    assert redact_name(value) == redact(value) == value


def test_no_call_of_re2_is_within_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of the inner one would tell the end of the process that nobody searches."""
    within: list[object] = []
    call_re2 = patterns._in_re2

    def tracked(call: Callable[..., object], *arguments: object) -> object:
        assert not within
        within.append(call)
        try:
            return call_re2(call, *arguments)
        finally:
            within.pop()

    monkeypatch.setattr(patterns, "_in_re2", tracked)
    fresh = patterns.Patterns(["a(?P<b>b+)", "c+"])
    assert list(fresh.finditer("abb cc")) == [{"": (0, 3), "b": (1, 3)}, {"": (4, 6)}]


END_IN_A_SEARCH = """
import math, sys, threading, time
from storage.model.redaction import patterns, redact
patterns.LAST_SEARCH_S = math.inf
text = "hello token=abcdef world " * 200
def search():
    while True: redact(text)
for _ in range(4): threading.Thread(target=search, daemon=True).start()
time.sleep(float(sys.argv[1]))
"""


def test_a_process_may_end_while_its_threads_redact() -> None:
    """It waits for the searches that are under way, and not for threads that search on and on."""
    for delay_s in (0.0, 0.02, 0.05, 0.1):
        command = [sys.executable, "-c", END_IN_A_SEARCH, str(delay_s)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")


WORD, HEX = "AbCdEfGhIjKlMnOpQrStUvWx", "9f86d081884c7d659a2feaa0c55ad015"

LOGGED = [
    f'https://hooks.slack.com:443 "POST /services/T01ABCDEF/B01ABCDEF/{WORD} HTTP/1.1" 200 2',
    f'https://hooks.slack.com:443 "POST /workflows/T01ABCDEF/A01ABCDEF/35/{WORD} HTTP/1.1" 200 2',
    f'https://discord.com:443 "POST /api/webhooks/123456789012345678/{WORD}{WORD} HTTP/1.1" 204',
    f"> GET /link/?ticket={HEX}&app_id=4bce HTTP/1.1",
    f"response_headers.complete return_value=(b'HTTP/1.1', 200, [(b'Set-Cookie', b'sid={HEX}')])",
    f"send_request_headers.started headers=[(b'Host', b'x'), (b'X-API-Key', b'{WORD}99')]",
    f"grpc metadata: [('authorization', 'Bearer {HEX}')]",
    f"Obtained token {{'access_token': '{HEX}', 'expires_in': 3599}}.",
    f"Starting new HTTPS connection (1): ann:{HEX}@proxy.corp:3128",
    f"[generated in 0.00021s] {{'name': 'bob', 'password': '{HEX}', 'id': 3}}",
    f"*cmd* 'PASS {HEX}'",
]


@pytest.mark.parametrize("line", LOGGED)
def test_what_libraries_log_of_their_requests_has_no_secret(line: str) -> None:
    assert not re.search(f"{WORD}|{HEX}", redact(line))


CHOSEN = "hunter2xyz"


@pytest.mark.parametrize(
    "value",
    [
        ["mysql", "--password", CHOSEN],
        ["curl", "-u", f"ann:{CHOSEN}", "http://x"],
        ["sshpass", "-p", CHOSEN, "ssh", "h"],
        [["X-API-Key", CHOSEN], ["Accept", "*/*"]],
        *([{name: CHOSEN, "name": "API_KEY"}] for name in sorted(VALUES)),
        [{"value": CHOSEN, "type": "text", "key": "DB_PASSWORD"}],
        {"password": {"value": CHOSEN}},
        {"password": {"type": "string", "default": CHOSEN}},
        {"key": "password", "value": {"stringValue": CHOSEN}},
    ],
    ids=str,
)
def test_a_secret_in_a_structure_is_neither_kept_nor_stored(value: Any) -> None:
    assert CHOSEN not in json.dumps(redact_value({"a": value}))
    span = Span("a" * 32, "b" * 16, "n", 1, attributes={"a": value})
    assert CHOSEN not in str(span_rows([span])), "the search of a whole batch misses it"


@pytest.mark.parametrize(
    "value",
    [
        ["stop", "length"],
        ["user", "password", "email"],
        ["password", "is required"],
        ["input_tokens", "output_tokens"],
        [["name", "ann"], ["role", "admin"]],
        [{"value": "eu-west-1", "name": "region"}],
        {"settings": {"value": "verbose", "default": "quiet"}},
    ],
    ids=str,
)
def test_a_structure_without_secrets_stays_as_it_is(value: Any) -> None:
    assert redact_value({"a": value}) == {"a": value}


NESTED = st.recursive(
    st.sampled_from(("password", "--token", "X-API-Key", "-u", "ann", "note", "curl", CHOSEN)),
    lambda parts: (
        st.lists(parts, min_size=1, max_size=4)
        | st.dictionaries(st.sampled_from(("password", "note", "name", "headers")), parts)
    ),
    max_leaves=6,
)


@given(NESTED.map(lambda value: {"a": value}))
def test_a_structure_hides_what_its_json_would_hide(value: dict[str, Any]) -> None:
    text = json.dumps(value)
    # One that is repeated is known by its name elsewhere in the same text only.
    if text.count(CHOSEN) == 1 and CHOSEN not in redact(text):
        assert CHOSEN not in json.dumps(redact_value(value))


@pytest.mark.parametrize("line", ["pw,pw,pw\n", "password,user,pin\na1b2c3d,b,c4d5e\n"])
def test_each_cell_below_headings_of_passwords_is_read_once(
    line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A heading is a row of those above it: to read its rows again for each took seconds."""
    read: list[str] = []

    def counted(value: str) -> bool:
        read.append(value)
        return False

    monkeypatch.setattr(tables, "looks_chosen", counted)
    text = line * 500
    assert list(tables.tables(text)) == []
    assert len(read) <= len(re.split("[,\n]", text))


def test_a_heading_among_rows_adds_its_columns_to_those_above_it() -> None:
    text = "user,password,x\nann,a1b2c3d,y\nuser,y,password\nbob,b2c3d4e,c3d4e5f\n"
    shown = redact(text)
    assert [each in shown for each in ("a1b2c3d", "b2c3d4e", "c3d4e5f")] == [False] * 3


@pytest.mark.parametrize(
    ("number", "stored"),
    [
        (2**64 - 1, 2**64 - 1),
        (-(2**63), -(2**63)),
        (10**30, "1" + 30 * "0"),
        (10**5000, "[number of 16,610 bits]"),
    ],
    ids=["64 bits", "negative", "128 bits", "5,000 digits"],
)
def test_a_number_of_any_length_costs_no_value_beside_it(number: int, stored: object) -> None:
    span = Span("a" * 32, "b" * 16, "n", 1, attributes={"n": [number], "b": "visible"})
    (row,) = span_rows([span])
    assert json.loads(row[SPAN_FIELDS.index("attributes")]) == {"n": [stored], "b": "visible"}
