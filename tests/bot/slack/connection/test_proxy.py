"""The bot behind a proxy: `HTTPS_PROXY` is the only way to Slack, for calls and for Socket Mode."""

import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from bot.agents.config.roster import load_roster
from bot.app import build_bot
from bot.lifecycle import connect
from bot.sandbox import Channel, Sandbox, User
from storage import Observability
from tests.support.certificates import NAME
from tests.support.certificates import certificate as certificate
from tests.support.connections import accepting
from tests.support.running_bot import settings_for


def join(client: socket.socket, port: int) -> None:
    """Copy in both directions between a client and a port of this machine."""

    def copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    with client, socket.create_connection(("127.0.0.1", port)) as other:
        back = threading.Thread(target=copy, args=(other, client), daemon=True)
        back.start()
        copy(client, other)
        back.join()


@contextmanager
def with_tls(port: int, folder: Path) -> Iterator[int]:
    """Put TLS in front of a port, with the certificate in *folder*."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    with accepting(
        lambda client: join(context.wrap_socket(client, server_side=True), port)
    ) as front:
        yield front


@contextmanager
def http_proxy(ports: Mapping[str, int], asked: list[str]) -> Iterator[str]:
    """Run a proxy that only opens tunnels. *ports* says where a name leads to."""

    def handle(client: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            request += client.recv(65_536)
        method, address, _ = request.decode().split(" ", 2)
        asked.append(f"{method} {address}")
        host, _, port = address.partition(":")
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        join(client, ports.get(host) or int(port))

    with accepting(handle) as port:
        yield f"http://127.0.0.1:{port}"


def test_calls_and_socket_mode_go_through_the_proxy(
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    general: Channel,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "certificate.pem"))
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    host = sandbox.base.removeprefix("http://")
    asked: list[str] = []
    with ExitStack() as stack:
        front = stack.enter_context(with_tls(int(host.partition(":")[2]), certificate))
        proxy = stack.enter_context(http_proxy({NAME: front}, asked))
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        settings = settings_for(sandbox, observability).model_copy(
            update={"slack_api_url": f"https://{NAME}/api/"}
        )
        bot = build_bot(settings, roster=load_roster(None), observability=observability)
        stack.callback(bot.stop)
        connect(bot, settings)
        sandbox.wait_for_app()
        question = sandbox.post(alice, general, f"{sandbox.mention} hello")
        sandbox.wait_for_reply(general, question.ts, containing="hello")
    # The address of Socket Mode is what the sandbox tells, without TLS.
    assert set(asked) == {f"CONNECT {NAME}:443", f"CONNECT {host}"}
