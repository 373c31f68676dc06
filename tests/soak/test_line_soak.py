"""A line to Slack that breaks every second in every way: no event is lost, no thread stays."""

import random
import threading
import time
from collections import Counter

import pytest
from slack_sdk import WebClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

from bot.sandbox import Channel, Sandbox, User
from bot.slack.connection.credentials import socket_url
from bot.slack.connection.socket_connection import Connection, Timing
from bot.slack.connection.socket_mode import SocketMode
from bot.slack.connection.status import ConnectionStatus

SECONDS = 90.0
FAULTS = ("end", "reset", "silence", "half a frame", "fragments", "refresh", "warning", "away")


def strike(sandbox: Sandbox, fault: str) -> None:
    if fault in ("refresh", "warning"):
        reason = "warning" if fault == "warning" else "refresh_requested"
        sandbox.refresh_sockets(reason, leave_after=random.uniform(0.0, 2.0))
    elif fault == "away":
        sandbox.faults.server_error("apps.connections.open", times=2)
        sandbox.break_sockets("end")
    else:
        sandbox.break_sockets(fault)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", [1, 2])
def test_no_event_is_lost_on_a_line_that_breaks_in_every_way(
    sandbox: Sandbox, alice: User, general: Channel, seed: int
) -> None:
    random.seed(seed)
    web, status, taken = WebClient(base_url=sandbox.api_url), ConnectionStatus(), Counter[str]()

    def handle(connection: Connection, request: SocketModeRequest) -> None:
        taken[request.payload["event"]["text"]] += 1
        connection.send_socket_mode_response(SocketModeResponse(request.envelope_id))

    socket = SocketMode(
        lambda: socket_url(web, sandbox.app_token),
        handle,
        status,
        timing=Timing(ping_s=0.5, close_s=0.1, steady_s=0.0),
    )
    sandbox.retry_waits = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
    before = threading.active_count()
    socket.start()
    posted, end = 0, time.monotonic() + SECONDS
    while time.monotonic() < end:
        sandbox.post(alice, general, str(posted))
        posted += 1
        time.sleep(random.uniform(0.0, 0.1))
        if status.problem is None and random.random() < 0.06:
            strike(sandbox, random.choice(FAULTS))
    sandbox.settle(120)
    socket.close()
    assert set(taken) == {str(number) for number in range(posted)}
    assert sandbox._slack.outbox.lost == []
    assert threading.active_count() <= before + 1
