"""The addresses that the bot listens on. Checking them needs no web server."""

import socket

EVERYWHERE = "0.0.0.0"
"""The host of HTTP mode: all interfaces of this machine."""

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to a port, 0 for any free one. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        # The standard library adds the address, which whoever called tells in their own words.
        reason = (error.strerror or "").partition(" (while ")[0]
        raise type(error)(error.errno, reason) from error
