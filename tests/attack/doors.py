"""Hostile requests to Slack's door in HTTP mode and to the receiver of telemetry."""

import gzip
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx

from tests.attack.attempt import Attempt

PROMISE = "doors are narrow"
JSON = {"content-type": "application/json"}
SPANS = 10_000_000


def attack_slack_door(url: str) -> Iterator[Attempt]:
    """Try requests without Slack's signature at `url`, the base URL of HTTP mode."""
    old = {"x-slack-request-timestamp": "1", "x-slack-signature": "v0=00"}
    odd = {"x-slack-request-timestamp": "½", "x-slack-signature": "v0=é"}
    for tried, headers in (
        ("send an unsigned event", {}),
        ("send an old signature", old),
        ("send a signature of odd bytes", {k: v.encode("latin-1") for k, v in odd.items()}),
    ):
        status = _post(f"{url}/slack/events", b"{}", {**JSON, **headers})
        yield _expect(tried, status, {401})
    yield _expect("hide a request in the body of another", _smuggle(url), {"refused"})
    yield _expect("send 400 MB without a signature", _flood(url, 400_000_000), {401, 413})
    try:
        httpx.get(f"{url}/health", timeout=10).raise_for_status()
        held = True
    except httpx.HTTPError:
        held = False
    yield Attempt(promise=PROMISE, tried="(it still answers at /health)", held=held)


def attack_collector(url: str, token: str = "") -> Iterator[Attempt]:
    """Try bombs at `url`, the base URL of a receiver of telemetry."""
    headers = {"content-type": "application/x-protobuf", "content-encoding": "gzip"}
    if token:
        headers["authorization"] = f"Bearer {token}"
        yield _expect("send telemetry without the token", _post(f"{url}/v1/traces", b"", {}), {401})
    parts = urlsplit(url)
    if parts.path.strip("/"):  # The receiver of a bot.
        status = _post(f"{parts.scheme}://{parts.netloc}/v1/traces", b"{}", JSON)
        yield _expect("send telemetry without the bot's key", status, {404})
    # resource_spans { scope_spans { spans {} spans {} … } }, each empty span two bytes.
    spans = b"\x12\x00" * SPANS
    scope = b"\x12" + _varint(len(spans)) + spans
    body = gzip.compress(b"\x0a" + _varint(len(scope)) + scope)
    status = _post(f"{url}/v1/traces", body, headers)
    yield _expect(f"send {SPANS:,} empty spans in {len(body) // 1000} kB", status, {400, 413})
    status = _post(f"{url}/v1/traces", b"[" * 1_000_000, {**headers, **JSON})
    yield _expect("send what is not telemetry", status, {400, 413, 415})


def _varint(number: int) -> bytes:
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def _post(url: str, body: bytes, headers: dict[str, object]) -> int | str:
    try:
        return httpx.post(url, content=body, headers=headers, timeout=30).status_code  # type: ignore[arg-type]
    except httpx.HTTPError as error:
        return type(error).__name__


def _smuggle(url: str) -> str:
    """Send a request that two programs would end at two places, and another one behind it."""
    parts = urlsplit(url)
    hidden = "GET /health HTTP/1.1\r\nHost: attack\r\n\r\n"
    head = "POST /slack/events HTTP/1.1\r\nHost: attack\r\n"
    both = f"{head}Content-Length: {5 + len(hidden)}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 80), 10) as connection:
            connection.sendall(f"{both}{hidden}".encode())
            connection.settimeout(2)
            answer = b""
            while piece := connection.recv(4_096):
                answer += piece
    except ConnectionRefusedError:
        return "ConnectError"
    except OSError as error:
        return type(error).__name__
    return "refused" if answer.count(b"HTTP/1.1 ") == 1 and b" 400 " in answer else "two answers"


def _flood(url: str, size: int) -> int | str:
    """Send up to `size` bytes until there is an answer; return its status."""
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or 80)
    head = f"POST /slack/events HTTP/1.1\r\nHost: attack\r\nContent-Length: {size}\r\n\r\n"
    try:
        with socket.create_connection(address, timeout=10) as connection:
            connection.sendall(head.encode())
            connection.settimeout(0.01)
            until = time.monotonic() + 15
            while time.monotonic() < until:
                try:
                    if answer := connection.recv(4_096):
                        return int(answer.split()[1])
                    return "closed"
                except TimeoutError:
                    connection.settimeout(5)
                    connection.sendall(b"x" * 65_536)
                    connection.settimeout(0.01)
    except (OSError, ValueError, IndexError) as error:
        return type(error).__name__
    return "no answer"


def _expect(tried: str, status: int | str, expected: set[int]) -> Attempt:
    held = status in expected
    if status == "ConnectError":
        return Attempt(promise=PROMISE, tried=tried, held=None, detail="nothing listens there")
    return Attempt(promise=PROMISE, tried=tried, held=held, detail=str(status))
