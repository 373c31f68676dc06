"""An HTTP server on a thread of its own."""

import socket
import threading

import uvicorn
from starlette.applications import Starlette


class WebServer:
    """Serves on a thread of its own, so that stopping is the same in both modes."""

    def __init__(self, web: Starlette, *, host: str, port: int) -> None:
        """Raises OSError where the port cannot be had."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family)
        self._server = uvicorn.Server(uvicorn.Config(web, log_level="warning", ws="none"))
        self._thread = threading.Thread(
            target=self._server.run,
            kwargs={"sockets": [self._listener]},
            name="tracebot-web",
            daemon=True,
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(5.0)
        self._listener.close()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])
