"""Requests that were recorded and are sent again over HTTP, within Slack's five minutes."""

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from bot.agents.config.roster import load_roster
from bot.app import build_bot
from bot.lifecycle import listen
from bot.sandbox import Channel, Message, Sandbox, User
from bot.sandbox.state.workspace import TEAM
from bot.sandbox.users import payloads
from reports.render.block_kit import SHARE
from storage import Observability
from storage.database.models import SpanRow
from tests.support.conversations import eventually, finished
from tests.support.running_bot import settings_for

Json = dict[str, Any]
SIGNED = {"team": TEAM, "token": "x"}


class Wire:
    """Sends what Slack signed, as often as one likes, to two processes of one bot."""

    def __init__(self, sandbox: Sandbox, urls: tuple[str, str]) -> None:
        self.sandbox = sandbox
        self.urls = urls

    def replay(self, body: bytes, content_type: str) -> None:
        """Send one signed request to both processes, twice."""
        now = str(int(time.time()))
        secret = self.sandbox.signing_secret.encode()
        signed = hmac.new(secret, f"v0:{now}:".encode() + body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": content_type,
            "X-Slack-Request-Timestamp": now,
            "X-Slack-Signature": f"v0={signed}",
        }
        for url in (*self.urls, *self.urls):
            assert httpx.post(url, content=body, headers=headers).status_code == 200

    def form(self, fields: Json) -> None:
        self.replay(urlencode(fields).encode(), "application/x-www-form-urlencoded")

    def interaction(self, payload: Json) -> None:
        self.form({"payload": json.dumps(payload)})

    def event(self, payload: Json) -> None:
        self.replay(json.dumps(payload).encode(), "application/json")


@pytest.fixture
def wire(sandbox: Sandbox, observability: Observability) -> Iterator[Wire]:
    settings = settings_for(sandbox, observability)
    bots = [
        build_bot(settings, roster=load_roster(None), observability=observability) for _ in range(2)
    ]
    ports = [listen(bot, settings).port for bot in bots]
    first, second = (f"http://127.0.0.1:{port}/slack/events" for port in ports)
    sandbox.deliver_to(first)
    yield Wire(sandbox, (first, second))
    for bot in bots:
        bot.stop(grace=5.0)


@pytest.fixture
def answered(
    sandbox: Sandbox, observability: Observability, wire: Wire, alice: User, general: Channel
) -> Message:
    question = sandbox.post(alice, general, f"{sandbox.mention} hello")
    finished(observability, general, question.ts)
    return question


def spans(observability: Observability, name: str) -> int:
    observability.flush()
    found: int = SpanRow.select().where(SpanRow.name == name).count(observability.database)
    return found


def is_done_once(observability: Observability, name: str) -> None:
    eventually(lambda: spans(observability, name) > 0)
    time.sleep(0.5)  # The others had been answered by then, had they been carried out.
    assert spans(observability, name) == 1


@pytest.mark.parametrize("trigger", ["1.2.abc", ""])
def test_a_command_is_carried_out_once(
    wire: Wire, observability: Observability, alice: User, general: Channel, trigger: str
) -> None:
    fields = payloads.command(alice, general, "/trace", "ls", **SIGNED, trigger=trigger)
    wire.form(fields | {"response_url": f"{wire.sandbox.base}/response/none"})
    is_done_once(observability, "/trace ls")


def test_two_commands_with_the_same_words_are_both_carried_out(
    wire: Wire, observability: Observability, alice: User, general: Channel
) -> None:
    for _ in range(2):
        assert len(wire.sandbox.command(alice, general, "/trace", "ls")) == 1
    eventually(lambda: spans(observability, "/trace ls") == 2)


def test_a_trace_is_shared_once(
    wire: Wire,
    observability: Observability,
    alice: User,
    general: Channel,
    answered: Message,
) -> None:
    (trace,) = finished(observability, general, answered.ts)
    payload = payloads.interaction("block_actions", alice, **SIGNED, trigger="1.2.abc") | {
        "container": {"type": "message", "channel_id": general.id},
        "channel": payloads.place(general),
        "response_url": f"{wire.sandbox.base}/response/none",
        "actions": [{"type": "button", "action_id": SHARE, "value": trace.trace_id}],
    }
    wire.interaction(payload)
    is_done_once(observability, "/trace share")
    posted = [m for m in wire.sandbox.messages(general) if "shares a trace" in m.text]
    assert len(posted) == 1


def test_a_shortcut_is_answered_once(
    wire: Wire, observability: Observability, alice: User, general: Channel, answered: Message
) -> None:
    payload = payloads.interaction("message_action", alice, **SIGNED, trigger="1.2.abc") | {
        "callback_id": "show_trace",
        "channel": payloads.place(general),
        "message_ts": answered.ts,
        "message": answered.as_slack(),
        "response_url": f"{wire.sandbox.base}/response/none",
    }
    wire.interaction(payload)
    is_done_once(observability, "/trace show")


def test_the_home_tab_is_published_once(
    wire: Wire, observability: Observability, alice: User
) -> None:
    wire.sandbox.open_home(alice)
    eventually(lambda: spans(observability, "app home") == 1)
    wire.event(wire.sandbox.events("app_home_opened")[0])
    time.sleep(0.5)
    assert spans(observability, "app home") == 1


def test_an_old_edit_that_is_sent_again_does_not_replace_a_newer_one(
    wire: Wire, observability: Observability, alice: User, general: Channel, answered: Message
) -> None:
    def stored() -> str | None:
        return finished(observability, general, answered.ts)[0].text

    wire.sandbox.edit(alice, answered, "the first edit")
    eventually(lambda: stored() == "the first edit")
    wire.sandbox.edit(alice, answered, "the second edit")
    eventually(lambda: stored() == "the second edit")
    edits = [each for each in wire.sandbox.events("message") if "previous_message" in each["event"]]
    wire.event(next(each for each in edits if each["event"]["message"]["text"] == "the first edit"))
    time.sleep(0.5)
    assert stored() == "the second edit"
