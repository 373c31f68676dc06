"""A connection whose encryption breaks after its handshake is like one that breaks."""

import json
import socket
import ssl
from pathlib import Path

import pytest

from bot.agents.models import call
from tests.support.asked_models import failure
from tests.support.certificates import NAME
from tests.support.certificates import certificate as certificate
from tests.support.connections import ALERT, BROKEN, accepting, breaking
from tests.support.model_server import KEY, ModelServer, openai_events

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


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
