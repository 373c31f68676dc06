"""A connection whose encryption breaks after its handshake is like one that breaks."""

import json
import os
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.agents.models import call
from tests.support.asked_models import failure
from tests.support.certificates import NAME
from tests.support.certificates import certificate as certificate
from tests.support.connections import accepting
from tests.support.model_server import KEY, ModelServer, openai_events

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
BROKEN, ALERT = b"\x17\x03\x03\x00\x20" + b"x" * 32, b"\x15\x03\x03\x00\x02\x02\x50"
"""A record that nobody can decrypt, and an alert that is not encrypted."""


def breaking(folder: Path, answer: bytes, record: bytes) -> Callable[[socket.socket], None]:
    """Answer within TLS, and then send a record past it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")

    def handle(client: socket.socket) -> None:
        with context.wrap_socket(client, server_side=True) as own:
            own.recv(65_536)
            if answer:
                own.sendall(answer)
            with socket.socket(fileno=os.dup(own.fileno())) as past:
                past.sendall(record)
                past.recv(65_536)

    return handle


@pytest.mark.parametrize("record", [BROKEN, ALERT])
@pytest.mark.parametrize(("said", "asked"), [("", 3), ("half an ", 1)])
def test_it_is_tried_again_or_keeps_its_text(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, record: bytes, said: str, asked: int
) -> None:
    context = ssl.create_default_context(cafile=certificate / "certificate.pem")
    monkeypatch.setattr(call, "_tls", lambda: context)
    event = f"data: {json.dumps(openai_events(said)[1])}\n\n".encode()
    handle = breaking(certificate, HEAD + event if said else b"", record)
    connections: list[socket.socket] = []

    def accept(client: socket.socket) -> None:
        connections.append(client)
        handle(client)

    with ModelServer("openai", KEY).serving() as model, accepting(accept) as port:
        error = failure(model, base_url=f"https://{NAME}:{port}/v1")
    assert error.error_type == "crash"
    assert (error.partial.text if error.partial else "") == said
    assert len(connections) == asked
