"""What hostile requests cost the receiver and Slack's door: memory, measured in real processes."""

import contextlib
import gzip
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from bot.http.otlp_receiver import MAX_BODY
from bot.sandbox import Sandbox
from storage import Observability
from tests.support.paths import ROOT
from tests.support.ports import free_port

TRACEBOT = Path(sys.executable).parent / "tracebot"
MB = 1_000_000


def field(number: int, value: bytes) -> bytes:
    """Encode a field of a protobuf message whose value has a length."""
    length, digits = len(value), bytearray()
    while length > 127:
        digits.append(length & 127 | 128)
        length >>= 7
    return bytes([number << 3 | 2, *digits, length]) + value


def in_request(items: bytes) -> bytes:
    return field(1, field(2, items))


def a_span(rest: bytes) -> bytes:
    now = time.time_ns().to_bytes(8, "little")
    times = bytes([7 << 3 | 1]) + now + bytes([8 << 3 | 1]) + now
    return field(1, os.urandom(16)) + field(2, os.urandom(8)) + times + rest


def an_attribute(key: bytes, value: bytes) -> bytes:
    return field(9, field(1, key) + field(2, value))


def nested(depth: int) -> bytes:
    value = b""
    for _ in range(depth):
        value = field(5, field(1, value))
    return value


def full_of(piece: bytes, size: int = MAX_BODY - 100) -> bytes:
    return piece * (size // len(piece))


def distinct_attributes() -> bytes:
    """As many spans as are taken, with as many attributes as fit, and no name twice."""
    number, spans, size = 0, [], 0
    while size < MAX_BODY - 3_000:
        pairs = []
        for _ in range(100):
            number += 1
            pairs.append(an_attribute(number.to_bytes(3, "big").hex().encode(), b"\x18\x01"))
        spans.append(field(2, a_span(b"".join(pairs))))
        size += len(spans[-1])
    return in_request(b"".join(spans))


BOMBS: dict[str, tuple[str, Callable[[], bytes], int]] = {
    "empty spans": ("traces", lambda: in_request(full_of(b"\x12\x00")), 413),
    "empty scopes": ("traces", lambda: field(1, full_of(b"\x12\x00")), 413),
    "empty resources": ("traces", lambda: full_of(b"\x0a\x00"), 413),
    "values in a span": (
        "traces",
        lambda: in_request(field(2, a_span(an_attribute(b"a", field(5, full_of(b"\x0a\x00")))))),
        200,
    ),
    "links of a span": (
        "traces",
        lambda: in_request(field(2, a_span(full_of(b"\x6a\x00")))),
        200,
    ),
    "values in a resource": ("traces", lambda: field(1, field(1, full_of(b"\x0a\x00"))), 400),
    "links of many spans": (
        "traces",
        lambda: in_request(full_of(field(2, a_span(full_of(b"\x6a\x00", 360))))),
        413,
    ),
    "events of many spans": (
        "traces",
        lambda: in_request(full_of(field(2, a_span(full_of(b"\x5a\x00", 360))))),
        413,
    ),
    "lists within many spans": (
        "traces",
        lambda: in_request(full_of(field(2, a_span(an_attribute(b"a", nested(40)))))),
        413,
    ),
    "nested values": (
        "traces",
        lambda: in_request(field(2, a_span(an_attribute(b"a", nested(10_000))))),
        200,
    ),
    "unknown fields": (
        "traces",
        lambda: in_request(field(2, a_span(full_of(b"\xfa\x7f\x00")))),
        200,
    ),
    "distinct attributes": ("traces", distinct_attributes, 413),
    "data points": (
        "metrics",
        lambda: in_request(full_of(field(2, field(5, full_of(b"\x0a\x00", 60_000))))),
        413,
    ),
    "buckets": (
        "metrics",
        # An exponential histogram, one of whose data points has millions of counts.
        lambda: in_request(
            field(2, field(1, b"m") + field(10, field(1, field(8, field(2, full_of(b"\x01"))))))
        ),
        200,
    ),
}
JSON_BOMBS: dict[str, tuple[Callable[[], bytes], int]] = {
    "empty lists": (lambda: b"[" + full_of(b"[],") + b"[]]", 413),
    "objects": (lambda: b'{"a":[' + full_of(b'{"":{}},') + b"{}]}", 413),
    "deep": (lambda: full_of(b"[" * 100), 413),
    "spans": (
        lambda: (
            b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + full_of(b"{},", 300_000) + b"{}]}]}]}"
        ),
        413,
    ),
}


@pytest.fixture(scope="module")
def collecting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, str]]:
    """Run `tracebot collect`; return its process id and URL."""
    folder = tmp_path_factory.mktemp("bombs")
    command = [TRACEBOT, "collect", "--port", "0", "--database", folder / "t.db"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    found = re.search(r"at (http://\S+) and", process.stderr.readline())
    assert found
    yield process.pid, found[1]
    process.kill()
    process.communicate()


def peak(pid: int) -> int:
    """Return the most memory that a process has had, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024


def reset(pid: int) -> int:
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return peak(pid)


def cost(
    collecting: tuple[int, str], signal: str, body: bytes, kind: str
) -> tuple[int, int, float]:
    pid, url = collecting
    before, began = reset(pid), time.monotonic()
    headers = {"content-type": f"application/{kind}", "content-encoding": "gzip"}
    answer = httpx.post(f"{url}/v1/{signal}", content=body, headers=headers, timeout=120)
    return answer.status_code, peak(pid) - before, time.monotonic() - began


@pytest.mark.parametrize("name", BOMBS)
def test_a_protobuf_bomb_is_counted_before_it_becomes_objects(
    collecting: tuple[int, str], name: str
) -> None:
    signal, make, status = BOMBS[name]
    body = gzip.compress(make(), 6)
    answered, memory, seconds = cost(collecting, signal, body, "x-protobuf")
    sys.stdout.write(
        f"{name}: {len(body):,} B, {answered}, {memory / MB:.0f} MB, {seconds:.1f} s\n"
    )
    assert (answered, memory < 150 * MB) == (status, True)


@pytest.mark.parametrize("name", JSON_BOMBS)
def test_a_json_bomb_is_counted_before_it_becomes_objects(
    collecting: tuple[int, str], name: str
) -> None:
    make, status = JSON_BOMBS[name]
    body = gzip.compress(make(), 6)
    answered, memory, seconds = cost(collecting, "traces", body, "json")
    sys.stdout.write(
        f"{name}: {len(body):,} B, {answered}, {memory / MB:.0f} MB, {seconds:.1f} s\n"
    )
    assert (answered, memory < 150 * MB) == (status, True)


@pytest.fixture
def serving(
    sandbox: Sandbox, db_path: Path, tmp_path: Path
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run `tracebot serve --http`; return its process and port."""
    port = free_port()
    environment = {
        "SLACK_BOT_TOKEN": sandbox.bot_token,
        "SLACK_SIGNING_SECRET": sandbox.signing_secret,
        "SLACK_API_URL": sandbox.api_url,
        "TRACEBOT_DATABASE_URL": str(db_path),
        "PORT": str(port),
    }
    process = subprocess.Popen(
        [TRACEBOT, "serve", "--http"],
        cwd=tmp_path,
        env={**os.environ, **environment},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert any("tracebot answers in" in line for line in process.stderr)
    yield process, port
    process.kill()
    process.communicate()


def test_an_unsigned_body_of_400_mb_is_not_read(
    serving: tuple[subprocess.Popen[str], int],
) -> None:
    process, port = serving
    before = reset(process.pid)
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        head = b"POST /slack/events HTTP/1.1\r\nhost: x\r\ncontent-length: 400000000\r\n\r\n"
        client.sendall(head)
        sent = 0
        with contextlib.suppress(OSError):
            for _ in range(400):
                client.sendall(b"x" * MB)
                sent += MB
    memory = peak(process.pid) - before
    sys.stdout.write(f"unsigned: {sent:,} B were accepted, {memory / MB:.0f} MB\n")
    assert memory < 30 * MB
    assert httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200


def test_a_flood_of_rubbish_is_logged_and_stored_once(
    serving: tuple[subprocess.Popen[str], int], observability: Observability
) -> None:
    process, port = serving
    for _ in range(300):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
            client.sendall(b"no HTTP at all\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 400")
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    lines = [line for line in said.splitlines() if "Invalid HTTP" in line]
    assert len(lines) == 2
    assert "(and 299 more like this in the last minute)" in lines[1]
    query = "SELECT count(*) FROM logs WHERE message LIKE '%Invalid HTTP%'"
    assert observability.database.execute_sql(query).fetchall() == [(2,)]
