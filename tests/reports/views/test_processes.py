"""`ps --processes` says where each process runs, how it is doing and what it does."""

import json
import shlex
import socket
from dataclasses import replace

import pytest

from reports.commands.handlers import answer
from reports.commands.parser import build_parser, parse
from reports.commands.viewer import Viewer
from reports.errors import UsageError
from reports.render import json_output, tsv
from reports.render.slack import render
from reports.render.terminal import render as in_terminal
from reports.views.views import View
from storage.coordination.accepted_messages import AcceptedMessage, accept_message
from storage.coordination.heartbeats import Heartbeat, put_heartbeat
from storage.coordination.process_identity import this_process
from storage.database.base import Database
from storage.database.models import HeartbeatRow

PARSER, _ = build_parser(prog="tracebot", shell=True)
HERE = Heartbeat(
    process=f"{this_process()}:1",
    team="T1",
    version="1.4.0",
    mode="socket",
    state="connected",
    problem="",
)


def asked(database: Database, words: str, viewer: Viewer = Viewer()) -> View:  # noqa: B008
    return answer(parse(PARSER, shlex.split(words)), database=database, viewer=viewer, now=0)


def ask(database: Database, number: int, thread: str) -> None:
    message = AcceptedMessage(
        trace_id=f"{number:032}",
        team="T1",
        channel="C1",
        thread_ts=thread,
        message_ts=f"{number}.0",
        user="U1",
        position=f"{number}.0",
    )
    accept_message(database, message, claim="", process=HERE.process, now=1)


def test_each_process_is_listed_with_what_it_does(any_database: Database) -> None:
    put_heartbeat(any_database, HERE)
    elsewhere = replace(HERE, process="web-2:9:1:1", mode="http", version="1.3.0")
    put_heartbeat(any_database, replace(elsewhere, state="not connected", problem="no network"))
    put_heartbeat(any_database, replace(elsewhere, process="web-3:9:1:1", state="stopped"))
    starting = replace(elsewhere, process="web-5:9:1:1", mode="", state="not connected")
    put_heartbeat(any_database, replace(starting, problem="it was not connected yet"))
    put_heartbeat(any_database, replace(elsewhere, process="web-4:9:1:1", team="T2"))
    gone = HeartbeatRow.update(seen_at=1).where(HeartbeatRow.process == "web-4:9:1:1")
    gone.execute(any_database)
    for number, thread in enumerate(("1.0", "1.0", "3.0"), 1):
        ask(any_database, number, thread)
    view = asked(any_database, "ps --processes")
    first, second, last, *ended = json.loads(json_output.render(view))["processes"]
    assert (first["host"], first["state"]) == (socket.gethostname(), "connected")
    assert (first["running"], first["waiting"]) == (2, 1)
    assert (second["host"], second["problem"]) == ("web-2", "no network")
    assert (last["host"], last["mode"]) == ("web-5", None)
    assert {each["host"]: each["state"] for each in ended} == {"web-3": "stopped", "web-4": "gone"}
    shown = in_terminal(view, width=140)
    for text in (
        "Socket Mode, connected",
        "2 turns, 1 waiting",
        "HTTP, not connected: no network",
        "ended without being stopped",
        "1.3.0",
        "starting",
        "just now",
    ):
        assert text in shown
    assert len(list(tsv.rows(view))) == 6
    assert "*web-2* · pid 9 · 1.3.0 · idle" in json.dumps(render(view), ensure_ascii=False)


def test_a_workspace_sees_the_processes_of_its_own_bot_and_a_guest_none(
    any_database: Database,
) -> None:
    put_heartbeat(any_database, HERE)
    put_heartbeat(any_database, replace(HERE, process="web-4:9:1:1", team="T2"))
    member = Viewer(team="T2", audiences=frozenset({"T2"}))
    blocks = json.dumps(render(asked(any_database, "ps --processes", member)))
    assert "web-4" in blocks
    assert socket.gethostname() not in blocks
    with pytest.raises(UsageError, match="full members"):
        asked(any_database, "ps --processes", Viewer(team="T2", audiences=frozenset()))


def test_without_a_bot_it_says_how_to_start_one_and_filters_make_no_sense(
    any_database: Database,
) -> None:
    assert "tracebot serve" in in_terminal(asked(any_database, "ps --processes"), width=80)
    with pytest.raises(UsageError, match="leave out the filters"):
        asked(any_database, "ps --processes agent:claude")
