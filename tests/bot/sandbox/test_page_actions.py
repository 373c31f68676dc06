"""What a person can do on the sandbox's page, and what it says if Slack would refuse."""

import base64
import re
from typing import Any

import httpx
import pytest
from slack_bolt import Ack, App
from slack_sdk import WebClient

from bot.sandbox import Channel, Sandbox, SandboxError, User
from tests.support.bolt_app import running

BUTTON = {
    "type": "button",
    "action_id": "go",
    "value": "1",
    "text": {"type": "plain_text", "text": "Go"},
}
VIEW = {"type": "modal", "title": {"type": "plain_text", "text": "T"}, "blocks": []}


def act(sandbox: Sandbox, user: User, **body: Any) -> str | None:
    """Do something on the page, and return what it says about it."""
    url = f"{sandbox.page_url}page/act"
    answer = httpx.post(url, json={"user": user.id, **body}, trust_env=False)
    notice: str | None = answer.json().get("notice")
    return notice


def test_buttons_shortcuts_and_modals_work_on_the_page(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel
) -> None:
    done: list[str] = []

    def register(app: App) -> None:
        @app.action(re.compile("go"))
        def click(ack: Ack) -> None:
            done.append("click")
            ack()

        @app.shortcut("show_trace")
        def show(ack: Ack, client: WebClient, body: dict[str, Any]) -> None:
            client.views_open(trigger_id=body["trigger_id"], view=VIEW)
            done.append("shortcut")
            ack()

    web.chat_postMessage(
        channel=general.id, text="Go?", blocks=[{"type": "actions", "elements": [BUTTON]}]
    )
    where = {"channel": general.id, "ts": sandbox.messages(general)[0].ts}
    with running(sandbox, register):
        assert not act(sandbox, alice, do="click", action_id="go", **where)
        assert not act(sandbox, alice, do="shortcut", callback_id="show_trace", **where)
    assert done == ["click", "shortcut"]
    assert sandbox.modal(alice)["type"] == "modal"
    assert not act(sandbox, alice, do="close")
    with pytest.raises(SandboxError, match="has not shown"):
        sandbox.modal(alice)


def test_a_modal_is_submitted_on_the_page_and_stays_open_if_the_app_finds_mistakes(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel
) -> None:
    said: list[str | None] = []

    def register(app: App) -> None:
        @app.shortcut("show_trace")
        def show(ack: Ack, client: WebClient, body: dict[str, Any]) -> None:
            client.views_open(trigger_id=body["trigger_id"], view={**VIEW, "callback_id": "note"})
            ack()

        @app.view("note")
        def noted(ack: Ack, view: dict[str, Any]) -> None:
            value = view["state"]["values"]["why"]["why"]["value"]
            said.append(value)
            errors = {"why": "Say why."}
            ack(response_action="errors", errors=errors) if value is None else ack()

    def submit(value: str | None) -> str | None:
        field = {"type": "plain_text_input", "value": value}
        return act(sandbox, alice, do="submit", values={"why": {"why": field}})

    where = {"channel": general.id, "ts": web.chat_postMessage(channel=general.id, text="?")["ts"]}
    with running(sandbox, register):
        assert not act(sandbox, alice, do="shortcut", callback_id="show_trace", **where)
        assert submit(None) == "Say why."
        assert submit("Because.") is None
    assert said == [None, "Because."]
    with pytest.raises(SandboxError, match="has not shown"):
        sandbox.modal(alice)


def test_what_slack_would_refuse_is_explained_on_the_page(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    gone = {"channel": general.id, "ts": "1.000000"}
    assert "was deleted" in str(act(sandbox, alice, do="react", name="eyes", **gone))
    assert "no Stop button" in str(act(sandbox, alice, do="stop", **gone))
    large = base64.b64encode(bytes(10_000_001)).decode()
    files = [{"name": "a", "type": "", "content": large}]
    said = act(sandbox, alice, do="post", channel=general.id, text="", files=files)
    assert "larger than 10 MB" in str(said)
