"""A connection to a server that notices if the server stands still.

A server whose disk hangs, or that was suspended, neither answers nor goes away: its machine still
acknowledges what it is sent, so neither TCP nor libpq would ever end a statement.
"""

import time
from collections.abc import Generator
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

SILENCE_S = 10.0
"""How long a statement takes at most before the server is asked whether it is there."""


class WatchedConnection(psycopg.Connection[Any]):
    """Ask a server that takes long for another connection, and give up if that takes too long.

    So no statement is cut, however long it takes, while the server answers.
    """

    settings = ""
    """Those with which it was opened."""

    def wait(self, gen: Generator[Any, Any, Any], *args: Any, **options: Any) -> Any:
        return super().wait(self._watched(gen), *args, **options)

    def _watched(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """Do as *gen*, which yields what it waits for and is told each 0.1 s while it waits."""
        ask_at = time.monotonic() + SILENCE_S
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() > ask_at:
                    self._require_answer()
                    ask_at = time.monotonic() + SILENCE_S
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value

    def _require_answer(self) -> None:
        """Raise an error if the server does not answer who connects. A refusal is an answer."""
        info = self.info
        same = {"host": info.host, "hostaddr": info.hostaddr or None, "port": info.port}
        try:
            psycopg.connect(make_conninfo(self.settings, **same)).close()
        except psycopg.errors.ConnectionTimeout:
            self.close()
            raise psycopg.OperationalError("the server does not answer") from None
        except psycopg.Error:
            return
