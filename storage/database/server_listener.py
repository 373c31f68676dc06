"""Hear at once what other processes announce on a server, on a connection of its own.

Behind a pooler that lends a session for one transaction nothing is heard, and time just passes:
those who wait look again each second anyway.
"""

import math
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from peewee import PeeweeException

from storage.database.driver import translate_errors
from storage.database.postgres_url import PostgresURL
from storage.database.server_connection import open_connection

if TYPE_CHECKING:
    from psycopg import Connection

CHANNEL = "tracebot"

RETRY_S = 10.0
"""How long nobody tries to connect again after that failed."""


class ServerListener:
    """The announcements on one database. It is for one thread."""

    def __init__(self, url: PostgresURL) -> None:
        self._url = url
        self._connection: Connection[Any] | None = None
        self._retry_at = -math.inf

    def wait(self, closing: threading.Event, *, seconds: float) -> None:
        """Wait for an announcement, or for so many seconds. No error is raised.

        The thread that sets *closing* announces something after that, which ends the wait.
        """
        # While the server is away, each attempt to connect would take seconds of the caller's time.
        if self._connection is None and time.monotonic() < self._retry_at:
            closing.wait(seconds)
            return
        try:
            with translate_errors:
                listening = self._listening()
                if closing.is_set():  # And announced before anybody listened.
                    return
                for _ in listening.notifies(timeout=seconds, stop_after=1):
                    pass
        except PeeweeException:
            # Without waiting: what was announced while the connection was lost is not heard.
            self.close()
            self._retry_at = time.monotonic() + RETRY_S

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):  # It is gone, one way or the other.
                connection.close()

    def _listening(self) -> "Connection[Any]":
        if self._connection is None:
            self._connection = open_connection(self._url)
            self._connection.execute(f"LISTEN {CHANNEL}")
        return self._connection
