"""One connection of Socket Mode: opened, greeted by Slack, read, and left."""

import json
import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from slack_sdk.socket_mode.response import SocketModeResponse
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection, connect

from bot.retry import RetryPolicy
from bot.slack.errors import SlackUnavailable, network_problem

MAX_MESSAGE = 16_000_000
"""Bytes. Slack's envelopes have some kilobytes; this only bounds the memory."""

REASONS = {
    "too_many_websockets": "the app has as many connections as it may have, which is 10",
    "link_disabled": "Socket Mode is switched off on the app's page",
}
"""Words for those of Slack's reasons about which a person can do something."""

logger = logging.getLogger("tracebot.slack")

# `ConnectionStatus` says how a connection ended, in one line and not with a traceback.
_silent = logging.getLogger("tracebot.slack.websocket")
_silent.setLevel(logging.CRITICAL)


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """Time limits of a connection, in seconds."""

    open_s: float = 10.0
    """For TCP, TLS and the handshake together, and once more for Slack's hello."""
    ping_s: float = 5.0
    """How often we ask whether the other end is there, and how long we wait for its answer."""
    close_s: float = 1.0
    """How long the other end may take to hang up. Slack does not, and one that is gone cannot."""
    leave_s: float = 60.0
    """How long a connection is read after Slack asked to replace it. Slack ends it sooner."""
    steady_s: float = 10.0
    """A connection that ends sooner counts as a failed attempt, so that the next one waits."""
    refused_s: float = 60.0
    """How long to wait after Slack refused a token that it has accepted before."""
    backoff: RetryPolicy = RetryPolicy(
        attempts=None, first_wait_s=0.5, longest_wait_s=10.0, jitter=0.5
    )


TIMING = Timing()


class Connection:
    """One WebSocket that Slack has greeted; Bolt's adapter sends its acknowledgements on it."""

    logger = logger  # Bolt's adapter logs to it.

    def __init__(self, socket: ClientConnection, timing: Timing, *, of_app: int = 1) -> None:
        self.of_app = of_app
        """How many connections the app has, this one among them, as Slack said in its greeting."""
        self.leaving = threading.Event()
        """Set when the connection has ended, or when Slack asks to replace it."""
        self.ended = ""
        """Why it has ended, empty while it stands."""
        self._socket = socket
        self._timing = timing
        self._opened = time.monotonic()

    @property
    def steady(self) -> bool:
        return time.monotonic() - self._opened >= self._timing.steady_s

    def read(self, receive: Callable[["Connection", dict[str, Any]], None]) -> None:
        """Pass each message to *receive* until the connection ends."""
        leave_at = math.inf
        try:
            while (wait := leave_at - time.monotonic()) > 0:
                message = _parsed(self._socket.recv(None if wait == math.inf else wait))
                if message.get("type") == "disconnect":
                    logger.debug("Slack asks to replace a connection: %s", _reason(message))
                    leave_at = time.monotonic() + self._timing.leave_s
                    self.leaving.set()
                else:
                    receive(self, message)
        except TimeoutError:
            pass  # Slack asked to replace it, and left the rest to us.
        except ConnectionClosed as error:
            self.ended = _how_it_ended(error)
        finally:
            self.close()
            self.leaving.set()

    def close(self) -> None:
        self.ended = self.ended or "it was closed"
        self._socket.close()

    def send_socket_mode_response(self, response: SocketModeResponse) -> None:
        """Acknowledge an envelope."""
        try:
            self._socket.send(json.dumps(response.to_dict()))
        except ConnectionClosed:
            # Slack sends an event again, on another connection, if nobody acknowledged it.
            logger.info("A connection ended before its envelope could be acknowledged.")


def open_connection(url: str, *, proxy: str | None, timing: Timing) -> Connection:
    """Return a connection that Slack has greeted. Raises `SlackUnavailable`."""
    try:
        socket = connect(
            url,
            proxy=proxy,
            compression=None,
            open_timeout=timing.open_s,
            ping_interval=timing.ping_s,
            ping_timeout=timing.ping_s,
            close_timeout=timing.close_s,
            max_size=MAX_MESSAGE,
            logger=_silent,
            # It is entered, as websockets 17 asks for, and left by `close`.
        ).__enter__()
    except (OSError, EOFError, ValueError, ImportError, WebSocketException) as error:
        # An ImportError names the package that a SOCKS proxy needs.
        raise SlackUnavailable(f"no WebSocket can be opened: {network_problem(error)}") from error
    try:
        greeting = _parsed(socket.recv(timing.open_s))
    except (OSError, WebSocketException) as error:
        greeting = {"reason": network_problem(error)}
    if greeting.get("type") != "hello":
        socket.close()
        raise SlackUnavailable(f"Slack refuses a connection: {_reason(greeting)}")
    of_app = greeting.get("num_connections")
    return Connection(socket, timing, of_app=of_app if isinstance(of_app, int) else 1)


def _reason(message: dict[str, Any]) -> str:
    reason = str(message.get("reason") or "it sent no greeting")
    return REASONS.get(reason, reason)


def _parsed(text: str | bytes) -> dict[str, Any]:
    try:
        message = json.loads(text)
    except ValueError:
        message = None
    return message if isinstance(message, dict) else {}


def _how_it_ended(error: ConnectionClosed) -> str:
    if error.rcvd is not None:
        return f"Slack ended the connection with code {error.rcvd.code}"
    if error.sent is not None:
        return f"the connection was given up: {error.sent.reason or error.sent.code}"
    return "the connection ended without a word"
