"""Socket Mode: the WebSockets on which Slack sends events, and their replacements.

One thread keeps a connection open. When it ends, or when Slack asks to replace it, that thread
opens the next one. Each connection is read on a thread of its own, also while its successor is
opened, and each envelope is handled on a pool: no listener keeps a connection from being read.

docs/decisions/0009-socket-mode.md compares this with the clients of slack_sdk.
"""

import logging
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from slack_bolt import App
from slack_bolt.adapter.socket_mode.internals import run_bolt_app, send_response
from slack_sdk.socket_mode.request import SocketModeRequest

from bot.settings import SettingsError
from bot.slack.connection.socket_connection import TIMING, Connection, Timing, open_connection
from bot.slack.connection.status import ConnectionStatus
from bot.slack.errors import SlackUnavailable

CONCURRENCY = 40
"""Envelopes that are handled at once, as many as requests in HTTP mode.

Each message waits a second for a database that is locked, and a command behind them has three.
"""

logger = logging.getLogger("tracebot.slack")

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
            asked_s, own = None, len(self._connections) + 1
            try:
                connection = self._open(url or self._open_url())
            except Exception as error:  # Whatever it is: without this thread the bot is deaf.
                failures, asked_s = failures + 1, self._failed(error)
            else:
                self._status.stands()
                if failures == 0:  # Slack may still count a connection that was lost.
                    self._status.others = connection.of_app - own
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

    def _failed(self, error: Exception) -> float | None:
        """Note why there is no connection. Return how long to wait, None for what is usual."""
        if not self._connections:
            self._status.failed(str(error).rstrip("."))
        if isinstance(error, SettingsError):
            return self._timing.refused_s
        if isinstance(error, SlackUnavailable):
            return error.wait_s
        logger.error("Connecting to Slack failed unexpectedly", exc_info=error)
        return None

    def _wait_after(self, failures: int, asked_s: float | None) -> float | None:
        return self._timing.backoff.wait_after(failures, asked_s=asked_s, left_s=math.inf)

    def _open(self, url: str) -> Connection:
        """Return a connection that Slack has greeted, and read it from now on."""
        connection = open_connection(url, proxy=self._proxy, timing=self._timing)
        with self._lock:
            self._connections.append(connection)
        if self._closing.is_set():  # `close` may have looked before it was there.
            connection.close()
        threading.Thread(
            target=self._read, args=(connection,), name="tracebot-socket-reader", daemon=True
        ).start()
        return connection

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
