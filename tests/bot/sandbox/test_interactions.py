"""Clicks, menus, commands and their response URLs, answered by the test in place of the app."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from slack_bolt import Ack, App
from slack_sdk import WebClient

from bot.sandbox import Channel, Manifest, Message, Sandbox, SandboxError, User
from tests.support.bolt_app import running
from tests.support.paths import MANIFEST


def plain(text: str) -> dict[str, str]:
    return {"type": "plain_text", "text": text}


def option(value: str) -> dict[str, Any]:
    return {"text": plain(value), "value": value}


MENU = {"type": "static_select", "action_id": "menu", "options": [option("one"), option("two")]}
THUMBS = {
    "type": "feedback_buttons",
    "action_id": "thumbs",
    "positive_button": option("up"),
    "negative_button": option("down"),
}
BLOCKS = [
    {"type": "section", "text": plain("Choose"), "accessory": MENU},
    {"type": "context_actions", "elements": [THUMBS]},
]


@contextmanager
def accepting(sandbox: Sandbox) -> Iterator[list[dict[str, Any]]]:
    """Run an app that accepts each action, and give what it was sent."""
    sent: list[dict[str, Any]] = []

    def register(app: App) -> None:
        @app.action(re.compile("menu|thumbs"))
        def accept(ack: Ack, body: dict[str, Any]) -> None:
            sent.append(body)
            ack()

        @app.command("/trace")
        def answer(ack: Ack) -> None:
            ack(blocks=[{"type": "song"}])

    with running(sandbox, register):
        yield sent


def test_the_chosen_option_of_a_menu_or_of_feedback_buttons_is_sent(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel
) -> None:
    web.chat_postMessage(channel=general.id, text="Choose", blocks=BLOCKS)
    (message,) = sandbox.messages(general)
    with accepting(sandbox) as sent:
        sandbox.click(alice, message, "menu", value="two")
        sandbox.click(alice, message, "thumbs", value="down")
        with pytest.raises(SandboxError, match="No option has the value three"):
            sandbox.click(alice, message, "menu", value="three")
        with pytest.raises(SandboxError, match="has the action_id other"):
            sandbox.click(alice, message, "other")
    menu, thumbs = (body["actions"][0] for body in sent)
    assert menu["selected_option"]["value"] == "two"
    assert (thumbs["text"]["text"], thumbs["value"]) == ("down", "down")


def test_an_answer_that_slack_refuses_is_shown_to_the_user_as_an_error(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    with accepting(sandbox):
        (shown,) = sandbox.command(alice, general, "/trace", "ls")
    assert "invalid_blocks" in shown.text


def test_a_click_that_no_app_answers_fails(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel
) -> None:
    web.chat_postMessage(channel=general.id, text="Choose", blocks=BLOCKS)
    with pytest.raises(SandboxError, match="did not answer in time"):
        sandbox.click(alice, sandbox.messages(general)[0], "menu", value="one")


def test_what_the_manifest_does_not_declare_cannot_be_used() -> None:
    manifest = replace(Manifest.read(MANIFEST).without("commands"), interactivity=False)
    with Sandbox.start(manifest) as sandbox:
        alice = sandbox.add_user("alice")
        channel = sandbox.add_channel("general", [alice])
        web = WebClient(token=sandbox.bot_token, base_url=sandbox.api_url)
        web.chat_postMessage(channel=channel.id, text="Choose", blocks=BLOCKS)
        (message,) = sandbox.messages(channel)
        with pytest.raises(SandboxError, match="lacks the scope `commands`"):
            sandbox.command(alice, channel, "/trace")
        with pytest.raises(SandboxError, match="does not enable interactivity"):
            sandbox.click(alice, message, "menu", value="one")
        with pytest.raises(SandboxError, match="declares no message shortcut other"):
            sandbox.shortcut(alice, message, "other")
        with pytest.raises(SandboxError, match="has no modal open"):
            sandbox.submit(alice, {})


@pytest.fixture
def url(sandbox: Sandbox, alice: User, general: Channel, web: WebClient) -> Iterator[str]:
    """The response_url of a click on a message of the bot in #general."""
    web.chat_postMessage(channel=general.id, text="Choose", blocks=BLOCKS)
    with accepting(sandbox) as sent:
        sandbox.click(alice, sandbox.messages(general)[0], "menu", value="one")
        yield sent[0]["response_url"]


def respond(url: str, body: str | dict[str, Any]) -> httpx.Response:
    content = {"content": body} if isinstance(body, str) else {"json": body}
    return httpx.post(url, **content, trust_env=False)  # type: ignore[arg-type]


def texts(messages: list[Message]) -> list[str]:
    return [message.text for message in messages]


def test_a_response_replaces_the_message_and_deletes_it(
    sandbox: Sandbox, general: Channel, url: str
) -> None:
    assert respond(url, {"replace_original": True, "text": "Chosen", "blocks": []}).is_success
    assert texts(sandbox.messages(general)) == ["Chosen"]
    assert respond(url, {"delete_original": True}).is_success
    assert sandbox.messages(general) == []


def test_a_response_without_contents_or_json_is_refused(url: str) -> None:
    assert respond(url, {}).json()["error"] == "no_text"
    assert respond(url, "{").text == "invalid_payload"


def test_a_response_deletes_an_ephemeral_message(
    sandbox: Sandbox, alice: User, general: Channel, web: WebClient
) -> None:
    web.chat_postEphemeral(channel=general.id, user=alice.id, text="Choose", blocks=BLOCKS)
    with accepting(sandbox) as sent:
        sandbox.click(alice, sandbox.ephemerals(alice, general)[0], "menu", value="one")
    assert respond(sent[0]["response_url"], {"delete_original": True}).is_success
    assert sandbox.ephemerals(alice, general) == []


@pytest.mark.parametrize(
    ("typed", "element"),
    [
        ("<#C1|general>", {"type": "channel", "channel_id": "C1"}),
        ("<!here>", {"type": "broadcast", "range": "here"}),
        (
            "<https://a.example/?b&amp;c|there>",
            {"type": "link", "url": "https://a.example/?b&c", "text": "there"},
        ),
        ("<https://a.example>", {"type": "link", "url": "https://a.example"}),
        (":tada:", {"type": "emoji", "name": "tada"}),
    ],
)
def test_typed_text_has_an_element_for_each_link_mention_and_emoji(
    sandbox: Sandbox, alice: User, general: Channel, typed: str, element: dict[str, str]
) -> None:
    sandbox.post(alice, general, f"see {typed} now")
    (section,) = sandbox.messages(general)[0].blocks[0]["elements"]
    assert section["elements"] == [
        {"type": "text", "text": "see "},
        element,
        {"type": "text", "text": " now"},
    ]
