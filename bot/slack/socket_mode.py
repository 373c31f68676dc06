"""Socket Mode: the WebSockets on which Slack sends events, and their replacements.

One thread keeps a connection open. When it ends, or when Slack asks to replace it, that thread
opens the next one. Each connection is read on a thread of its own, also while its successor is
opened, and each envelope is handled on a pool: no listener keeps a connection from being read.

docs/decisions/0009-socket-mode.md compares this with the clients of slack_sdk.
"""

import json
import logging
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from slack_bolt import App
from slack_bolt.adapter.socket_mode.internals import run_bolt_app, send_response
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection, connect

from bot.retry import RetryPolicy
from bot.settings import SettingsError
from bot.slack.connection_status import ConnectionStatus
from bot.slack.errors import SlackUnavailable, network_problem

CONCURRENCY = 10
"""Envelopes that are handled at once, as in Bolt's own adapters."""

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
    backoff: RetryPolicy = RetryPolicy(
        attempts=None, first_wait_s=0.5, longest_wait_s=10.0, jitter=0.5
    )


TIMING = Timing()


class Connection:
    """One WebSocket that Slack has greeted; Bolt's adapter sends its acknowledgements on it."""

    logger = logger

    def __init__(self, socket: ClientConnection, timing: Timing) -> None:
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


Handle = Callable[[Connection, SocketModeRequest], None]


def bolt_handler(app: App) -> Handle:
    """Return what answers an envelope with a Bolt app, and acknowledges it."""

    def handle(connection: Connection, request: SocketModeRequest) -> None:
        start = time.time()
        send_response(connection, request, run_bolt_app(app, request), start)  # type: ignore[arg-type]

    return handle


class SocketMode:
    """Keep a connection to Slack open until `close`."""

    def __init__(
        self,
        open_url: Callable[[], str],
        handle: Handle,
        status: ConnectionStatus,
        *,
        proxy: str | None = None,
        timing: Timing = TIMING,
    ) -> None:
        """Take `open_url`, which asks Slack for the URL of one connection.

        It raises `SettingsError` if Slack refuses the token, and `SlackUnavailable`.
        """
        self._open_url = open_url
        self._handle = handle
        self._proxy = proxy
        self._timing = timing
        self._status = status
        self._connections: list[Connection] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._pool = ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="tracebot-envelope")
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Connect in the background. Raises `SettingsError` at once if Slack refuses the token."""
        url = None
        try:
            url = self._open_url()
        except SlackUnavailable as error:
            self._status.failed(str(error))
        self._thread = threading.Thread(
            target=self._run, args=(url,), name="tracebot-socket", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Take no more envelopes, acknowledge those that were taken, and hang up."""
        self._closing.set()
        self._pool.shutdown()
        with self._lock:
            standing = [*self._connections]
        for connection in standing:
            connection.close()
        if self._thread is not None:
            # A call or a handshake that hangs ends with the process: the thread is a daemon.
            self._thread.join(1.0)

    def _run(self, url: str | None) -> None:
        failures = 0
        while not self._closing.is_set():
            asked_s = None
            try:
                connection = self._open(url or self._open_url())
            except Exception as error:  # Whatever it is: without this thread the bot is deaf.
                self._failed(error)
                failures, asked_s = failures + 1, getattr(error, "wait_s", None)
            else:
                self._status.stands()
                connection.leaving.wait()
                if connection.ended:
                    self._status.ended(connection.ended)
                elif connection.steady:
                    failures = 0
                    continue  # It is still read while its successor is opened, so no wait.
                failures = 1 if connection.steady else failures + 1
            finally:
                url = None
            self._closing.wait(self._wait_after(failures, asked_s))

    def _failed(self, error: Exception) -> None:
        if not isinstance(error, SettingsError | SlackUnavailable):
            logger.error("Connecting to Slack failed unexpectedly", exc_info=error)
        if not self._connections:
            self._status.failed(str(error).rstrip("."))

    def _wait_after(self, failures: int, asked_s: float | None) -> float | None:
        return self._timing.backoff.wait_after(failures, asked_s=asked_s, left_s=math.inf)

    def _open(self, url: str) -> Connection:
        """Return a connection that Slack has greeted, and read it from now on."""
        connection = Connection(self._greeted(url), self._timing)
        with self._lock:
            self._connections.append(connection)
        if self._closing.is_set():  # `close` may have looked before it was there.
            connection.close()
        threading.Thread(
            target=self._read, args=(connection,), name="tracebot-socket-reader", daemon=True
        ).start()
        return connection

    def _greeted(self, url: str) -> ClientConnection:
        limits = self._timing
        try:
            socket = connect(
                url,
                proxy=self._proxy,
                compression=None,
                open_timeout=limits.open_s,
                ping_interval=limits.ping_s,
                ping_timeout=limits.ping_s,
                close_timeout=limits.close_s,
                max_size=MAX_MESSAGE,
                logger=_silent,
                # It is entered, as websockets 17 asks for, and left by `close`.
            ).__enter__()
        except (OSError, EOFError, ValueError, ImportError, WebSocketException) as error:
            # An ImportError names the package that a SOCKS proxy needs.
            raise SlackUnavailable(
                f"no WebSocket can be opened: {network_problem(error)}"
            ) from error
        try:
            greeting = _parsed(socket.recv(limits.open_s))
        except (OSError, WebSocketException) as error:
            greeting = {"reason": network_problem(error)}
        if greeting.get("type") != "hello":
            socket.close()
            raise SlackUnavailable(f"Slack refuses a connection: {_reason(greeting)}")
        return socket

    def _read(self, connection: Connection) -> None:
        try:
            connection.read(self._receive)
        finally:
            with self._lock:
                self._connections.remove(connection)

    def _receive(self, connection: Connection, message: dict[str, Any]) -> None:
        request = SocketModeRequest.from_dict(message)
        # While we close, Slack is left without an acknowledgement: it sends the event again, to
        # another process or to the next one.
        if request is not None:
            with suppress(RuntimeError):  # The pool takes no more while we close.
                self._pool.submit(self._answer, connection, request)

    def _answer(self, connection: Connection, request: SocketModeRequest) -> None:
        try:
            self._handle(connection, request)
        except Exception:
            # Without an acknowledgement Slack sends it again.
            logger.exception("An envelope of type %s failed", request.type)


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
