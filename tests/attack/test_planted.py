"""One secret for each way in, planted all at once, and looked for in every place that is left.

The bot is a real `tracebot serve`. Its agent prints secrets wherever an agent can, and sends them
as telemetry in every field that OTLP has. People write them wherever Slack lets them.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from bot.replies.buttons import ASK_ANYWAY, RAISE_BUDGET, TRY_AGAIN, TRY_ANOTHER
from bot.sandbox import Message, Sandbox, User
from reports.render.block_kit import (
    AGAIN,
    ALERT_ACKNOWLEDGE,
    ALERT_ADD,
    ALERT_SNOOZE,
    DIGEST_CHANGE,
    DIGEST_OFF,
    FORGET,
    ISSUE,
    RAW,
    RUN,
    SHARE,
    SHOW,
    STOP,
)
from storage import Observability
from storage.database.transactions import transaction
from storage.recovery.opening import open_database
from tests.support.conversations import PATIENCE_S, eventually
from tests.support.paths import MANIFEST
from tests.support.traces_in_slack import in_modal, press

TRACEBOT = Path(sys.executable).with_name("tracebot")
ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"
PLANTED: set[str] = set()
"""The ways in which a secret was planted."""
PIECE = 8
"""So many characters of a secret in a row are a leak: more than half of it was stored or said."""


def secret(way: str) -> str:
    """Return a token of GitHub's shape that belongs to one way in."""
    PLANTED.add(way)
    digest = hashlib.sha512(way.encode()).digest()
    return "ghp_" + "".join(ALPHABET[byte % len(ALPHABET)] for byte in digest[:36])


def across(way: str, cut: int) -> str:
    """Return text in which character number `cut` is in the middle of the secret."""
    return f"{'a word, ' * cut}"[: cut - 15] + f" {secret(way)} and more"


def told(way: str, text: bytes) -> bool:
    """Return True if a piece of the secret of `way` is in `text`, be it cut anywhere."""
    return _has_piece(secret(way).removeprefix("ghp_"), text)


def _has_piece(value: str, text: bytes) -> bool:
    middle = (len(value) - PIECE) // 2
    pieces = (value[:PIECE], value[middle : middle + PIECE], value[-PIECE:])
    return any(piece.encode() in text for piece in pieces)


AGENT = r"""
import json, os, sys, time, urllib.request
question = sys.stdin.read()
plan = json.load(open("plan.json"))
for signal, body in plan["otlp"]:
    text = json.dumps(body).replace("TRACE", os.environ["TRACEPARENT"].split("-")[1])
    text = text.replace("PARENT", os.environ["TRACEPARENT"].split("-")[2])
    text = text.replace("NOW", str(time.time_ns()))
    headers = {"content-type": "application/json"}
    for pair in filter(None, os.environ.get("OTEL_EXPORTER_OTLP_HEADERS", "").split(",")):
        name, _, value = pair.partition("=")
        headers[name] = urllib.request.unquote(value)
    url = os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] + "/v1/" + signal
    urllib.request.urlopen(urllib.request.Request(url, text.encode(), headers)).read()
failing = "fail" in question
for event in plan["fails" if failing else "answers"]:
    print(json.dumps(event), flush=True)
print(plan["stderr"], file=sys.stderr)
if "wait" in question:
    time.sleep(60)
sys.exit(3 if failing else 0)
"""


def _claude(prefix: str) -> list[dict[str, object]]:
    """Return what `claude` prints for an answer that uses tools; each field tells a secret."""
    tools: list[tuple[str, object]] = [
        (f"tool {secret(f'{prefix} tool name')}", {"command": "ls"}),
        ("Bash", {"command": f"echo {secret(f'{prefix} tool argument')}"}),
        ("Bash", {"command": across(f"{prefix} cut tool argument", 100)}),
        ("Task", {"deep": {"er": [secret(f"{prefix} nested argument")]}}),
    ]
    model = f"claude {secret(f'{prefix} model')}"
    session = secret(f"{prefix} session")
    content = [{"type": "tool_use", "name": name, "input": given} for name, given in tools]
    answer = f"It is {secret(f'{prefix} answer')}."
    said = [*content, {"type": "text", "text": answer}]
    message = {"id": secret(f"{prefix} response id"), "model": model, "content": said}
    return [
        {"type": "system", "subtype": "init", "model": model, "session_id": session},
        {"type": "assistant", "message": message, "session_id": session},
        {
            "type": "result",
            "subtype": "error" if prefix == "failing" else "success",
            "is_error": prefix == "failing",
            "result": across(f"{prefix} result", 500) if prefix == "failing" else answer,
            "stop_reason": secret(f"{prefix} stop reason"),
            "usage": {"input_tokens": 1, "output_tokens": 1},
        },
    ]


def _pairs(way: str) -> list[dict[str, object]]:
    """Return attributes with a secret as value, as key, within lists, objects, bytes and JSON."""
    inner = json.dumps({"a": json.dumps({"b": f"x\n{secret(f'{way} JSON inside')}\ny"})})
    in_list = {"values": [{"stringValue": secret(f"{way} list")}]}
    in_object = {"values": [{"key": "k", "value": {"stringValue": secret(f"{way} object")}}]}
    values: dict[str, dict[str, object]] = {
        "value": {"stringValue": f"a {secret(f'{way} value')} b"},
        "inside": {"stringValue": inner},
        "list": {"arrayValue": in_list},
        "object": {"kvlistValue": in_object},
        secret(f"{way} key"): {"stringValue": "x"},
    }
    return [{"key": key, "value": value} for key, value in values.items()]


def _named(**names: str) -> list[dict[str, object]]:
    return [
        {"key": key.replace("__", "."), "value": {"stringValue": value}}
        for key, value in names.items()
    ]


def _telemetry(parent: Mapping[str, str]) -> list[tuple[str, dict[str, object]]]:
    """Return a request for each signal of OTLP, with a secret in each of its fields."""
    resource = {"attributes": [*_named(service__name=secret("service")), *_pairs("resource")]}
    scope = {
        "name": secret("scope"),
        "version": secret("scope version"),
        "attributes": _pairs("scope"),
    }
    named = _named(
        gen_ai__agent__name=f"agent {secret('OTLP agent')}",
        gen_ai__request__model=f"gpt {secret('OTLP model')}",
        gen_ai__response__model=across("OTLP cut model", 200),
        gen_ai__provider__name=secret("OTLP provider"),
        gen_ai__prompt=across("OTLP prompt", 200),
        gen_ai__input__messages=json.dumps([{"content": secret("OTLP messages")}]),
        session__id=secret("OTLP session"),
        user__id=secret("OTLP user"),
    )
    exception = _named(
        exception__type=f"E {secret('OTLP exception type')}",
        exception__message=f"failed with {secret('OTLP exception message')}",
        exception__stacktrace=f"File x\n  {secret('OTLP stack trace')}\nE",
    )
    span = {
        **parent,
        "spanId": os.urandom(8).hex(),
        "name": f"call {secret('OTLP span name')}",
        "traceState": f"a={secret('OTLP trace state')}",
        "startTimeUnixNano": "NOW",
        "endTimeUnixNano": "NOW",
        "attributes": [*named, *_pairs("OTLP span")],
        "events": [
            {"name": f"e {secret('OTLP event')}", "attributes": _pairs("OTLP event")},
            {"name": "exception", "attributes": exception},
        ],
        "links": [{"traceId": "c" * 32, "spanId": "d" * 16, "attributes": _pairs("OTLP link")}],
        "status": {"code": 2, "message": f"failed: {secret('OTLP status')}"},
    }
    body = {"kvlistValue": {"values": _pairs("OTLP log body")}}
    logs = [
        {"timeUnixNano": "NOW", "severityText": f"at {secret('OTLP level')}", "body": each}
        | {"attributes": _pairs("OTLP log"), "eventName": secret("OTLP event name")}
        for each in ({"stringValue": across("OTLP log text", 65_536)}, body)
    ]
    point = {"asDouble": 1.0, "timeUnixNano": "NOW", "attributes": _pairs("OTLP label")}
    points = {"dataPoints": [point]}
    metric = {
        "name": f"queue {secret('OTLP metric')}",
        "unit": secret("OTLP unit"),
        "description": secret("OTLP description"),
        "gauge": points,
    }
    shared = {"resource": resource, "schemaUrl": f"https://x/{secret('schema')}"}

    def request(outer: str, scoped: str, items: str, sent: list[object]) -> dict[str, object]:
        return {outer: [{**shared, scoped: [{"scope": scope, items: sent}]}]}

    return [
        ("traces", request("resourceSpans", "scopeSpans", "spans", [span])),
        ("logs", request("resourceLogs", "scopeLogs", "logRecords", list(logs))),
        ("metrics", request("resourceMetrics", "scopeMetrics", "metrics", [metric])),
    ]


def _record(observability: Observability) -> None:
    """Use every part of the recording API."""
    names = ("agent", "provider", "model", "decision", "reason", "user", "channel", "thread_ts")
    columns = {name: f"x {secret(f'column {name}')}" for name in names}
    nested = {"a": [{"b": secret("attribute"), secret("attribute key"): 1}]}
    with observability.span(f"step {secret('span name')}", text=secret("text"), **columns) as span:
        span.set(nested=nested, cut=across("cut attribute", 65_536))
        span.event(f"said {secret('event')}", note=secret("event attribute"))
        span.fail(f"error {secret('error type')}", f"failed with {secret('error message')}")
        observability.log_structured(secret("level"), f"a {secret('log')}", {"a": nested})
        observability.record_metric(
            f"m {secret('metric')}", 1, {secret("label"): secret("labelled")}
        )
        observability.record_score(
            span.trace_id,
            name=secret("score"),
            user="U1",
            value=1,
            label=secret("score label"),
            source=secret("score source"),
            text=f"It said {secret('score reason')}",
        )
    with suppress(ValueError), observability.span("raises"):
        raise ValueError(f"no {secret('exception')}")


OWN = ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET", "TRACEBOT_OTLP_TOKEN")


@dataclass(frozen=True, slots=True)
class Found:
    """The bytes of each place, and the bot's own secrets."""

    places: Mapping[str, bytes]
    own: Mapping[str, str]


def _bytes_of(*paths: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in paths if path.is_file())


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """Plant everything once; return what is left of it where."""
    folder = tmp_path_factory.mktemp("planted")
    with Sandbox.start(MANIFEST) as sandbox:
        return _planted(sandbox, folder)


def _planted(sandbox: Sandbox, folder: Path) -> Found:
    own = {
        "SLACK_BOT_TOKEN": sandbox.bot_token,
        "SLACK_APP_TOKEN": sandbox.app_token,
        "SLACK_SIGNING_SECRET": sandbox.signing_secret,
        "TRACEBOT_OTLP_TOKEN": "collector-" + sandbox.signing_secret[::-1],
    }
    work = folder / "work" / secret("working directory")
    work.mkdir(parents=True)
    (folder / "agent.py").write_text(AGENT)
    otlp = [
        *_telemetry({"traceId": "TRACE", "parentSpanId": "PARENT"}),
        *_telemetry({"traceId": "e" * 32}),
    ]
    plan = {
        "otlp": otlp,
        "answers": [*_claude("answering"), {"type": "user", "own": own}],
        "fails": _claude("failing"),
        "stderr": f"warning: {secret('stderr')}\n{list(own.values())}",
    }
    plan["answers"][1]["message"]["content"].append(  # type: ignore[index]
        {"type": "tool_use", "name": "Bash", "input": {"command": f"x {list(own.values())}"}}
    )
    # The live reply shows the first 100 characters of it.
    cut = f"{'x' * 70} {sandbox.bot_token}"
    plan["answers"][1]["message"]["content"].append(  # type: ignore[index]
        {"type": "tool_use", "name": "Bash", "input": {"command": cut}}
    )
    (work / "plan.json").write_text(json.dumps(plan))
    program = json.dumps(str(folder / "agent.py"))
    (folder / "agents.toml").write_text(
        f'[agents.claude]\nprovider = "claude"\nread = [{program}]\n'
        f"command = [{json.dumps(sys.executable)}, {program}]\n"
        f"working_directory = {json.dumps(str(work))}\n"
    )
    environment = {
        **os.environ,
        **own,
        "SLACK_API_URL": sandbox.api_url,
        "TRACEBOT_DATABASE_URL": str(folder / "data" / "t.db"),
        "TRACEBOT_AGENTS": str(folder / "agents.toml"),
        "TRACEBOT_CAPTURE": "full",
        "TRACEBOT_BUSY_TIMEOUT_MS": "100",
    }
    (folder / "data").mkdir()
    with open(folder / "serve.log", "wb") as log:
        serve = subprocess.Popen([TRACEBOT, "serve"], cwd=folder, env=environment, stderr=log)
    try:
        sandbox.wait_for_app(timeout=PATIENCE_S)
        _talk(sandbox, own)
        spool = _record_while_locked(folder / "data" / "t.db")
        run = [TRACEBOT, "run", "--", "sh", "-c", f": --token {secret('command line')}"]
        subprocess.run(run, cwd=work, env=environment, check=True)
        subprocess.run([TRACEBOT, "backup", folder / "copy.db"], env=environment, check=True)
        data = folder / "data"
        places = {
            "the spool": spool,
            "the write-ahead log": _bytes_of(data / "t.db-wal"),
            "a backup": _bytes_of(folder / "copy.db"),
        }
    finally:
        serve.send_signal(signal.SIGTERM)
        serve.wait(PATIENCE_S)
    places["the database"] = _bytes_of(data / "t.db")
    places["everything beside it"] = _bytes_of(*data.glob("t.db?*"))
    places["the log"] = _bytes_of(folder / "serve.log")
    calls = [(call.method, call.arguments) for call in sandbox.calls()]
    places["what was posted"] = json.dumps([calls, _responses(sandbox)]).encode()
    return Found(places, own)


def _responses(sandbox: Sandbox) -> list[object]:
    everything = [*sandbox._workspace.ephemerals]
    return [(each.text, each.blocks) for each in everything]


def _talk(sandbox: Sandbox, own: Mapping[str, str]) -> None:
    """Write secrets wherever people can."""
    ann = sandbox.add_user(f"ann {secret('person')}")
    general = sandbox.add_channel(f"general-{secret('channel')}", [ann])
    plain = ("note.txt", "text/plain", b"nothing")
    name, kind, body = plain
    files = [
        (f"{secret('file name')}.txt", kind, body),
        (name, f"text/{secret('file type')}", body),
        sandbox.add_file(ann, *plain, mode=secret("file mode"), url_private="http://x/y"),
        sandbox.add_file(
            ann, *plain, url_private_download=f"https://x/{secret('file address')}?t=1"
        ),
    ]
    mention = sandbox.mention
    asked = sandbox.post(
        ann, general, f"{mention} use {secret('message')} {list(own.values())}", files=files
    )
    sandbox.wait_for_reaction(general, asked.ts, "white_check_mark", timeout=PATIENCE_S)
    sandbox.edit(ann, asked, f"{mention} use {secret('edit')}")
    failing = sandbox.post(ann, general, f"{mention} fail {across('cut message', 200)}")
    sandbox.wait_for_reaction(general, failing.ts, "x", timeout=PATIENCE_S)
    answer = sandbox.thread(general, asked.ts)[1]
    # A name that the sandbox would not take: workspaces have emoji of their own.
    item = {"type": "message", "channel": general.id, "ts": answer.ts}
    emoji = {"reaction": f"e_{secret('reaction')}", "user": ann.id, "item": item}
    reaction = {"type": "reaction_added", **emoji, "item_user": sandbox.bot_user_id}
    sandbox._slack.outbox.tell("reaction_added", {**reaction, "event_ts": answer.ts})
    _explain(sandbox, ann, answer)
    sandbox.command(ann, general, "/trace", f"alerts add cost>5 agent:{secret('alert')}")
    for command in (f"search {secret('search')}", f"show {secret('id')}", secret("command"), "ls"):
        sandbox.command(ann, general, "/trace", command)
    (listed,) = sandbox.command(ann, general, "/trace", "ls")
    digests, alerts = (DIGEST_CHANGE, DIGEST_OFF), (ALERT_ACKNOWLEDGE, ALERT_SNOOZE)
    traces = (SHOW, RUN, ISSUE, STOP, SHARE, RAW, AGAIN, FORGET)
    for action in (*traces, *digests, *alerts, ALERT_ADD, RAISE_BUDGET):
        press(sandbox, ann, listed, action, secret(f"button {action}"))
    for action in (TRY_AGAIN, TRY_ANOTHER, ASK_ANYWAY):
        press(sandbox, ann, listed, action, f"ab12 {asked.ts} {secret(f'button {action}')}")
    _fill_in_forms(sandbox, ann, listed)
    _press_on_home(sandbox, ann)
    waiting = sandbox.post(ann, general, f"{mention} wait")
    eventually(lambda: (s := sandbox.session(general, waiting.ts)) and s.status == "processing")
    sandbox.stop_agent(ann, general, waiting.ts)
    sandbox.wait_for_reaction(general, waiting.ts, "octagonal_sign", timeout=PATIENCE_S)


def _fill_in_forms(sandbox: Sandbox, user: User, listed: Message) -> None:
    """Submit the forms of alerts and digests, in which texts are typed."""
    for action, field in ((ALERT_ADD, "whose"), (DIGEST_CHANGE, "zone")):
        press(sandbox, user, listed, action, listed.channel)
        typed = {"type": "plain_text_input", "value": f"agent:{secret(f'form {field}')}"}
        chosen = {"selected_option": {"value": "count"}}
        inputs = {field: {field: typed}, "measure": {"measure": chosen}}
        sandbox.submit(user, {**inputs, "limit": {"limit": {"value": "5"}}})


def _press_on_home(sandbox: Sandbox, user: User) -> None:
    """Press forged buttons of the Home tab."""
    place = f"home:{user.id}"
    sandbox.open_home(user)
    sandbox.wait_until(lambda: place in sandbox._slack.views)
    for action in (f"{RUN}_mine", f"{ALERT_ACKNOWLEDGE}_0", f"{ALERT_SNOOZE}_0", ALERT_ADD):
        value = secret(f"button {action} on Home")
        button = {"type": "button", "action_id": action, "value": value, "text": {"text": "x"}}
        row = {"type": "actions", "block_id": "forged", "elements": [button]}
        sandbox._slack.views[place] = sandbox._slack.views[place] | {"blocks": [row]}
        in_modal(sandbox, user, partial(sandbox.press, user, action, home=True))


def _explain(sandbox: Sandbox, user: User, answer: Message) -> None:
    """Press 👎, and write a secret as the reason."""
    (thumbs,) = [block for block in answer.blocks if block["type"] == "context_actions"]
    value = thumbs["elements"][0]["negative_button"]["value"]
    sandbox.click(user, answer, "reply_feedback", value=value)
    eventually(lambda: bool(sandbox.calls("views.open")))
    reason = {"type": "plain_text_input", "value": f"It said {secret('reason')}"}
    sandbox.submit(user, {"reason": {"reason": reason}})


def _record_while_locked(path: Path) -> bytes:
    """Record while the database is locked, and return what waits in the spool."""
    other = open_database(path)
    with Observability.open(path, platform="slack", busy_timeout_ms=50) as observability:
        with transaction(other):
            _record(observability)
            observability.flush(0.5)
            folder = path.with_name(f"{path.name}.spool")
            # The first batch in the spool may hold none.
            eventually(lambda: b"[redacted:" in _bytes_of(*folder.glob("*")))
            time.sleep(0.2)
            spool = _bytes_of(*folder.glob("*"))
        assert observability.flush(PATIENCE_S)
    other.close()
    return spool


PLACES = (
    *("the spool", "the write-ahead log", "the database", "everything beside it", "a backup"),
    *("the log", "what was posted"),
)
SAID_ON_PURPOSE = ("answering answer", "failing answer", "button", "id")
"""What people and agents say is said: only the bot's own secrets are taken out of Slack."""


@pytest.mark.parametrize("place", PLACES)
def test_no_place_has_a_planted_secret(found: Found, place: str) -> None:
    assert set(found.places) == set(PLACES)
    data = found.places[place]
    posted = place == "what was posted"
    ways = [way for way in PLANTED if not (posted and way.startswith(SAID_ON_PURPOSE))]
    assert [way for way in ways if told(way, data)] == []


@pytest.mark.parametrize("place", PLACES)
def test_no_place_has_a_secret_of_the_bot(found: Found, place: str) -> None:
    data = found.places[place]
    told = [name for name, value in found.own.items() if _has_piece(value[12:], data)]
    assert told == []


def test_the_secrets_were_on_their_way_to_every_place(found: Found) -> None:
    assert len(PLANTED) > 120
    marks = {place: data.count(b"[redacted:") for place, data in found.places.items()}
    assert marks.pop("everything beside it") == 0  # The spool and the log are emptied at the end.
    assert min(marks.values()) > 0, marks
    assert marks["the database"] > 300
