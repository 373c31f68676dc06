"""Find ports for servers that have to be told theirs before they start."""

import secrets
import socket

# Below those that Linux and macOS give to connections: one of these could be taken meanwhile.
FIRST, AFTER = 20_000, 32_000


def free_port() -> int:
    """Return a port on which nobody listens, and which no connection of another test gets."""
    while True:
        port = FIRST + secrets.randbelow(AFTER - FIRST)
        try:
            socket.create_server(("0.0.0.0", port)).close()
        except OSError:
            continue
        return port
