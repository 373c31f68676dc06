"""uvicorn has the undocumented methods and fields that the sandbox's server overrides and reads."""

import inspect

import uvicorn
from starlette.applications import Starlette

ADVICE = "uvicorn changed: adapt bot/sandbox/delivery/server.py"


def test_uvicorn_still_has_what_the_sandboxs_server_overrides() -> None:
    server = uvicorn.Server(uvicorn.Config(Starlette()))
    assert inspect.iscoroutinefunction(server.main_loop), ADVICE
    assert list(inspect.signature(server.shutdown).parameters) == ["sockets"], ADVICE
    assert server.server_state.connections == set(), ADVICE
    assert server.server_state.tasks == set(), ADVICE
    assert "self.servers" in inspect.getsource(uvicorn.Server.startup), ADVICE
