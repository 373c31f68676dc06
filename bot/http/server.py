"""Run a web application with uvicorn on a thread of its own.

Of uvicorn's own names only `Config`, `Server.run(sockets=…)` and `Server.should_exit` are used
here, and its protocol class in `bot.http.connection`.
"""

import socket
import threading
from functools import partial
from typing import Any, cast

import uvicorn
from starlette.applications import Starlette

from bot.http.addresses import listening_socket
from bot.http.connection import BoundedConnection
from bot.http.requests import CountRefusal

STOP_S = 5.0
"""How long requests may take to end when the server stops; after that they are cancelled."""

KEEP_ALIVE_S = 620
"""How long a connection may be idle between two requests.

Longer than proxies keep one: they would send a request on a connection that ends at that moment,
and Slack does not send a command or a click again. Google's balancer keeps one for 600 s, Caddy
for 120 s, Amazon's and nginx for 60 s. Idle ones make room if there are many.
"""

ACCEPTED_AT_ONCE = 32
"""Connections that are accepted before any is closed because they are too many.

Each needs a descriptor meanwhile: 2048, as uvicorn has it, would leave none for anything else.
"""

QUEUE = 2048
"""Connections that wait in the kernel until they are accepted. One more is tried again a second
later, by its client."""


def _ignore(cause: str) -> None:
    """Count nothing: strangers send all kinds of things to a port that is open to the internet."""


class _Listener(socket.socket):
    """A socket with a long queue, also if few connections are accepted at once.

    asyncio has one number for both.
    """

    def listen(self, backlog: int = QUEUE) -> None:
        super().listen(QUEUE)


class WebServer:
    """Serve until `stop`. Socket Mode has its own thread, too, so both modes stop the same way."""

    def __init__(
        self, web: Starlette, *, host: str, port: int, refused: CountRefusal = _ignore
    ) -> None:
        """Bind the port at once, 0 for any free one. Raises OSError if it cannot be bound.

        `refused` is told the cause of each request that is not HTTP.
        """
        # Bound here rather than by uvicorn, which would end the process if the port is taken.
        # Connections that arrive before `start` wait in the listener's queue.
        self._listener = _Listener(fileno=listening_socket(host, port).detach())
        config = uvicorn.Config(
            web,
            http=cast(Any, partial(BoundedConnection, refused=refused)),
            # Not uvicorn's own handlers: its warnings pass through ours, which bound floods.
            log_config=None,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            ws="none",
            backlog=ACCEPTED_AT_ONCE,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=int(STOP_S),
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run,
            kwargs={"sockets": [self._listener]},
            name="tracebot-web",
            daemon=True,
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        # uvicorn looks at this flag ten times a second. The second more is for it to notice, and to
        # cancel requests that are late.
        self._server.should_exit = True
        self._thread.join(STOP_S + 1.0)
        self._listener.close()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])
