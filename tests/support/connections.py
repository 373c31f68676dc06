"""A server that handles raw connections."""

import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

BROKEN, ALERT = b"\x17\x03\x03\x00\x20" + b"x" * 32, b"\x15\x03\x03\x00\x02\x02\x50"
"""A record that nobody can decrypt, and an alert that is not encrypted."""


@contextmanager
def accepting(handle: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve each connection on a thread of its own, and yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    threading.Thread(target=handle, args=(client,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]


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
