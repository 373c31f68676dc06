"""The sandbox's Socket Mode, over raw connections and with the real Bolt."""

import asyncio
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from slack_bolt import Ack, App, Respond, Say
from slack_sdk import WebClient
from starlette.websockets import WebSocket
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from bot.sandbox import Channel, Manifest, Sandbox, SandboxError, User
from bot.sandbox.delivery.outbox import Outbox
from bot.sandbox.delivery.sockets import Connection, SocketHub
from bot.sandbox.state.clock import Clock
from bot.sandbox.state.faults import Faults
from bot.sandbox.state.workspace import Workspace
from tests.support.bolt_app import running

MANIFEST = Path(__file__).parents[3] / "manifest.yml"
BUTTON = {
    "type": "button",
    "action_id": "next_page",
    "value": "2",
    "text": {"type": "plain_text", "text": "Next"},
}


class Socket:
    """In place of an app's WebSocket: it keeps what is sent and acknowledges nothing."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    async def send_text(self, text: str) -> None:
        self.sent.append(json.loads(text))


async def rounds() -> None:
    """Let everything on the loop go on until it waits for something."""
    for _ in range(20):
        await asyncio.sleep(0)


@contextmanager
def raw(sandbox: Sandbox) -> Iterator[ClientConnection]:
    """Open a connection that was greeted and does nothing by itself."""
    web = WebClient(base_url=sandbox.api_url)
    url = web.apps_connections_open(app_token=sandbox.app_token)["url"]
    with connect(url, proxy=None) as connection:
        assert json.loads(connection.recv(5))["type"] == "hello"
        yield connection


def receive(connection: ClientConnection, *, ack: bool = True, **payload: Any) -> dict[str, Any]:
    envelope: dict[str, Any] = json.loads(connection.recv(10))
    if ack:
        acknowledgement = {"envelope_id": envelope["envelope_id"]}
        connection.send(json.dumps(acknowledgement | ({"payload": payload} if payload else {})))
    return envelope


@contextmanager
def concurrently(work: Callable[[], object]) -> Iterator[None]:
    """Do the work of a person, who waits for the app, while the test plays the app."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(work)
        yield
        waiting.result(10)


def respond(url: str) -> int:
    return httpx.post(url, json={"text": "hi"}, trust_env=False).status_code


def test_a_connection_is_counted_before_it_wakes_who_waits_for_it(sandbox: Sandbox) -> None:
    hub, counted = sandbox._slack.sockets, []

    class Watched(list[Connection]):
        def append(self, connection: Connection) -> None:
            counted.append(hub.opened)
            super().append(connection)

    hub.connections = Watched()
    with raw(sandbox):
        sandbox.wait_for_app()
    assert counted == [1]


def test_a_mention_arrives_twice_under_two_event_ids(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    with raw(sandbox) as connection:
        posted = sandbox.post(alice, general, f"{sandbox.mention} hello")
        envelopes = [receive(connection), receive(connection)]
    events = {each["payload"]["event"]["type"]: each["payload"] for each in envelopes}
    assert set(events) == {"message", "app_mention"}
    assert events["message"]["event_id"] != events["app_mention"]["event_id"]
    assert {each["event"]["ts"] for each in events.values()} == {posted.ts}
    assert events["message"]["event"]["channel_type"] == "channel"
    assert {each["type"] for each in envelopes} == {"events_api"}
    assert envelopes[0]["accepts_response_payload"] is False
    assert envelopes[0]["retry_attempt"] == 0


def test_a_mention_in_a_direct_message_sends_one_event(sandbox: Sandbox, alice: User) -> None:
    sandbox.post(alice, sandbox.open_dm(alice), f"{sandbox.mention} hello")
    (told,) = sandbox.events()
    assert told["event"]["channel_type"] == "im"


def test_an_app_gets_no_events_from_channels_without_its_bot(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    elsewhere = sandbox.add_channel("elsewhere", [alice], with_bot=False)
    sandbox.post(alice, elsewhere, f"{sandbox.mention} are you here?")
    assert sandbox.events() == []


def test_an_app_gets_only_the_events_it_subscribed_to(sandbox: Sandbox) -> None:
    manifest = sandbox.manifest.without("message.channels", "reactions:read")
    with Sandbox.start(manifest) as deaf:
        alice = deaf.add_user("alice")
        message = deaf.post(alice, deaf.add_channel("general", [alice]), f"{deaf.mention} hello")
        deaf.react(alice, message, "eyes")
        assert [each["event"]["type"] for each in deaf.events()] == ["app_mention"]


def test_an_unacknowledged_event_is_sent_to_another_connection(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    sandbox.faults.lose_ack()
    with raw(sandbox) as one, raw(sandbox) as other:
        sandbox.post(alice, general, "hello")
        first, second = receive(one), receive(other)
        sandbox.settle()
    assert first["payload"]["event_id"] == second["payload"]["event_id"]
    assert first["envelope_id"] != second["envelope_id"]
    assert (second["retry_attempt"], second["retry_reason"]) == (1, "timeout")


def test_an_event_goes_to_one_of_several_connections(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    with raw(sandbox) as one, raw(sandbox) as other:
        sandbox.post(alice, general, "first")
        sandbox.post(alice, general, "second")
        texts = {receive(each)["payload"]["event"]["text"] for each in (one, other)}
        sandbox.settle()
    assert texts == {"first", "second"}


def test_an_event_waits_for_the_app_to_connect(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    sandbox.post(alice, general, "hello")
    with raw(sandbox) as connection:
        assert receive(connection)["payload"]["event"]["text"] == "hello"
        sandbox.settle()


def test_an_event_waits_on_if_a_connection_goes_as_soon_as_it_came() -> None:
    async def play() -> tuple[bool, list[Any], list[Any]]:
        workspace, socket = Workspace(Clock(), bot_name="tracebot"), Socket()
        hub = SocketHub(workspace)
        outbox = Outbox(workspace, Manifest.read(MANIFEST), hub, Faults())
        outbox.start(asyncio.get_running_loop())
        outbox.redeliver({"event": {"type": "message"}})
        await rounds()
        gone, stays = (Connection(cast(WebSocket, socket)) for _ in range(2))
        hub._change(lambda: hub.connections.append(gone))
        hub._change(lambda: hub._remove(gone))  # In the same round of the loop.
        await rounds()
        waits = not outbox.idle
        hub._change(lambda: hub.connections.append(stays))
        await rounds()
        await outbox.stop()
        return waits, socket.sent, outbox.lost

    waits, sent, lost = asyncio.run(play())
    assert (waits, len(sent), lost) == (True, 1, [])


def test_an_event_that_a_fault_of_the_sandbox_stopped_is_lost_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken:
        late = "timeout"

        async def deliver(self, kind: str, payload: Any, **_: Any) -> None:
            raise ZeroDivisionError

    payload = {"event": {"type": "message"}}

    async def play() -> list[Any]:
        workspace = Workspace(Clock(), bot_name="tracebot")
        outbox = Outbox(workspace, Manifest.read(MANIFEST), Broken(), Faults())
        outbox.start(asyncio.get_running_loop())
        outbox.redeliver(payload)
        await rounds()
        assert outbox.idle
        return outbox.lost

    assert asyncio.run(play()) == [payload]
    assert "An event could not be delivered" in caplog.text


def test_an_event_can_be_sent_twice(sandbox: Sandbox, alice: User, general: Channel) -> None:
    sandbox.faults.duplicate_event()
    with raw(sandbox) as connection:
        sandbox.post(alice, general, "hello")
        one, two = receive(connection)["payload"], receive(connection)["payload"]
        sandbox.redeliver(one)
        three = receive(connection)["payload"]
    assert one == two == three


def test_an_eleventh_connection_is_refused(sandbox: Sandbox) -> None:
    web = WebClient(base_url=sandbox.api_url)
    tickets = [web.apps_connections_open(app_token=sandbox.app_token)["url"] for _ in range(11)]
    with ExitStack() as stack:
        connections = [stack.enter_context(connect(url, proxy=None)) for url in tickets]
        greetings = [json.loads(connection.recv(5)) for connection in connections]
    assert [each["type"] for each in greetings[:10]] == ["hello"] * 10
    assert greetings[9]["num_connections"] == 10
    assert greetings[10]["reason"] == "too_many_websockets"


def test_a_ticket_opens_one_connection(sandbox: Sandbox) -> None:
    url = WebClient(base_url=sandbox.api_url).apps_connections_open(app_token=sandbox.app_token)
    with connect(url["url"], proxy=None), pytest.raises(Exception, match="403"):
        connect(url["url"], proxy=None)


def test_a_dropped_connection_ends_without_a_close_frame(sandbox: Sandbox) -> None:
    with raw(sandbox) as connection:
        sandbox.drop_sockets()
        with pytest.raises((ConnectionClosed, ConnectionResetError)):
            connection.recv(5)


def test_bolt_answers_a_mention(sandbox: Sandbox, alice: User, general: Channel) -> None:
    def register(app: App) -> None:
        @app.event("app_mention")
        def answer(event: dict[str, Any], say: Say) -> None:
            say(text=f"You said {event['text']}", thread_ts=event["ts"])

        @app.event("message")
        def ignore() -> None:
            """Accept the event without an answer."""

    with running(sandbox, register):
        question = sandbox.post(alice, general, f"{sandbox.mention} hello")
        reply = sandbox.wait_for_reply(general, question.ts, containing="You said")
    assert reply.bot_id == sandbox.bot_id


def test_bolt_reconnects_after_a_refresh_and_after_a_drop(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    def register(app: App) -> None:
        @app.event("message")
        def answer(event: dict[str, Any], say: Say) -> None:
            say(text="yes", thread_ts=event["ts"])

    with running(sandbox, register):
        sandbox.refresh_sockets()
        sandbox.wait_for_app(opened=2)
        question = sandbox.post(alice, general, "still there?")
        sandbox.wait_for_reply(general, question.ts)
        sandbox.settle()
        sandbox.drop_sockets()
        question = sandbox.post(alice, general, "and now?")
        sandbox.wait_for_reply(general, question.ts)


def test_a_slash_command_shows_the_answer_and_the_later_response(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    def register(app: App) -> None:
        @app.command("/trace")
        def answer(ack: Ack, respond: Respond, command: dict[str, Any]) -> None:
            ack(f"at once: {command['text']}")
            respond("later, to all", response_type="in_channel")

    with running(sandbox, register):
        shown = sandbox.command(alice, general, "/trace", "ls", responses=2)
    # Bolt sends the two over different connections, and either may be first.
    assert {message.text: message.ephemeral_to for message in shown} == {
        "at once: ls": alice.id,
        "later, to all": None,
    }
    assert [message.text for message in sandbox.messages(general)] == ["later, to all"]


def test_a_slash_command_without_an_app_shows_an_error(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    (shown,) = sandbox.command(alice, general, "/trace", "ls")
    assert "dispatch_failed" in shown.text
    with pytest.raises(SandboxError, match="not a valid command"):
        sandbox.command(alice, general, "/trade")


def test_a_response_url_has_five_uses_within_half_an_hour(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    with raw(sandbox) as connection:
        with concurrently(lambda: sandbox.command(alice, general, "/trace", responses=0)):
            url = receive(connection)["payload"]["response_url"]
        assert [respond(url) for _ in range(6)] == [200] * 5 + [404]
        with concurrently(lambda: sandbox.command(alice, general, "/trace", responses=0)):
            url = receive(connection)["payload"]["response_url"]
        sandbox.clock.advance(30 * 60 + 1)
        assert respond(url) == 404


def test_a_click_replaces_an_ephemeral_message(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    def register(app: App) -> None:
        @app.command("/trace")
        def answer(ack: Ack, respond: Respond) -> None:
            ack()
            respond(text="page 1", blocks=[{"type": "actions", "elements": [BUTTON]}])

        @app.action("next_page")
        def turn(ack: Ack, respond: Respond, body: dict[str, Any]) -> None:
            ack()
            assert body["container"]["is_ephemeral"] is True
            assert "message" not in body
            respond(f"page {body['actions'][0]['value']}", replace_original=True)

    with running(sandbox, register):
        (page,) = sandbox.command(alice, general, "/trace", "ls")
        sandbox.click(alice, page, "next_page", responses=1)
    assert [message.text for message in sandbox.ephemerals(alice, general)] == ["page 2"]


def test_a_message_shortcut_opens_a_modal_that_can_be_submitted(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    view = {
        "type": "modal",
        "callback_id": "note",
        "title": {"type": "plain_text", "text": "Trace"},
        "blocks": [{"type": "divider"}],
    }
    sent: list[Any] = []

    def register(app: App) -> None:
        @app.shortcut("show_trace")
        def show(ack: Ack, client: WebClient, body: dict[str, Any]) -> None:
            client.views_open(trigger_id=body["trigger_id"], view=view)
            ack()

        @app.view("note")
        def take(ack: Ack, view: dict[str, Any]) -> None:
            sent.append(view["state"]["values"])
            ack()

        @app.event("message")
        def ignore() -> None:
            """Accept the event without an answer."""

    with running(sandbox, register):
        message = sandbox.post(alice, general, "hello")
        sandbox.shortcut(alice, message, "show_trace")
        sandbox.submit(alice, {"b": {"a": {"value": "x"}}})
    assert sent == [{"b": {"a": {"value": "x"}}}]


def test_a_trigger_can_be_used_once_and_within_three_seconds(
    sandbox: Sandbox, alice: User, general: Channel, web: WebClient
) -> None:
    view = {"type": "modal", "title": {"type": "plain_text", "text": "T"}, "blocks": []}

    def opened(trigger: str) -> object:
        return web.api_call("views.open", json={"trigger_id": trigger, "view": view}).data

    with raw(sandbox) as connection:
        with concurrently(lambda: sandbox.command(alice, general, "/trace", responses=0)):
            trigger = receive(connection)["payload"]["trigger_id"]
        assert web.views_open(trigger_id=trigger, view=view)["ok"]
        with pytest.raises(Exception, match="exchanged_trigger_id"):
            opened(trigger)
        with concurrently(lambda: sandbox.command(alice, general, "/trace", responses=0)):
            trigger = receive(connection)["payload"]["trigger_id"]
        sandbox.clock.advance(4)
        with pytest.raises(Exception, match="expired_trigger_id"):
            opened(trigger)


def test_the_manifest_is_read(sandbox: Sandbox) -> None:
    manifest: Manifest = sandbox.manifest
    assert manifest.name == "tracebot"
    assert manifest.commands == {"/trace": False}
    assert manifest.shortcuts == {"show_trace": "message"}
    assert manifest.socket_mode
