"""The sandbox's page: the state it shows and the actions on it."""

import base64
import re
from importlib.resources import files
from typing import Any

import httpx
import pytest
from slack_sdk import WebClient

from bot.sandbox import Channel, Sandbox, User
from bot.sandbox.page.page import MOST_MESSAGES


def state(sandbox: Sandbox, user: User, after: str = "") -> httpx.Response:
    query = {"user": user.id, "after": after}
    return httpx.get(f"{sandbox.page_url}page/state", params=query, trust_env=False)


def act(sandbox: Sandbox, user: User, **body: Any) -> dict[str, Any]:
    url = f"{sandbox.page_url}page/act"
    answer = httpx.post(url, json={"user": user.id, **body}, trust_env=False)
    shown: dict[str, Any] = answer.json()
    return shown


def test_the_page_loads_nothing_from_elsewhere(sandbox: Sandbox) -> None:
    page = httpx.get(sandbox.page_url, trust_env=False)
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert "unsafe" not in page.headers["content-security-policy"]
    assert "https://" not in page.text
    own = re.findall(r"(?:src|href)=/(page/[\w.]+)", page.text)
    assert len(own) == len(re.findall(r"(?:src|href)=", page.text)) > 3
    for each in own:
        assert httpx.get(sandbox.page_url + each, trust_env=False).is_success


def test_the_page_s_scripts_set_everything_as_text() -> None:
    folder = files("bot.sandbox.page").joinpath("static")
    scripts = [each.read_text() for each in folder.iterdir() if each.name.endswith(".js")]
    assert len(scripts) > 10
    for unsafe in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert not [script for script in scripts if unsafe in script]


def test_the_page_has_no_other_files(sandbox: Sandbox) -> None:
    for name in ("page.py", "../page.py", "..%2f__init__.py", "nothing.js"):
        assert httpx.get(f"{sandbox.page_url}page/{name}", trust_env=False).status_code == 404


def test_a_person_sees_their_own_channels_and_ephemerals(
    sandbox: Sandbox, alice: User, general: Channel, web: WebClient
) -> None:
    bob = sandbox.add_user("bob")
    sandbox.join(bob, general)
    sandbox.add_channel("secret", [bob], private=True)
    web.chat_postEphemeral(channel=general.id, user=alice.id, text="for alice")
    seen = state(sandbox, alice).json()
    assert [channel["name"] for channel in seen["channels"]] == ["general"]
    (message,) = seen["channels"][0]["messages"]
    assert (message["text"], message["ephemeral"]) == ("for alice", True)
    assert state(sandbox, bob).json()["channels"][0]["messages"] == []


def test_the_page_s_state_is_sent_only_after_a_change(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    version = str(state(sandbox, alice).json()["version"])
    assert state(sandbox, alice, version).status_code == 204
    sandbox.post(alice, general, "news")
    assert state(sandbox, alice, version).status_code == 200


def test_a_long_thread_is_shown_with_its_first_message(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    sandbox.post(alice, general, "long ago")
    root = sandbox.post(alice, general, "root")
    for number in range(MOST_MESSAGES + 1):
        sandbox.post(alice, general, str(number), thread_ts=root.ts)
    shown = state(sandbox, alice).json()["channels"][0]["messages"]
    texts = [message["text"] for message in shown]
    assert texts == ["root", *map(str, range(1, MOST_MESSAGES + 1))]


def test_typed_text_is_stored_as_slack_stores_it(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    typed = "@tracebot is <b> & @nobody safe? Mail me@tracebot, or ask @tracebot. 请问@tracebot"
    act(sandbox, alice, do="post", channel=general.id, text=typed)
    (message,) = sandbox.messages(general)
    assert message.text == (
        f"{sandbox.mention} is &lt;b&gt; &amp; @nobody safe? Mail me@tracebot, "
        f"or ask {sandbox.mention}. 请问{sandbox.mention}"
    )
    assert [each["event"]["type"] for each in sandbox.events()] == ["message", "app_mention"]


def test_a_file_is_attached(sandbox: Sandbox, alice: User, general: Channel) -> None:
    content = base64.b64encode(b"hello").decode()
    attached = [{"name": "a.txt", "type": "text/plain", "content": content}]
    act(sandbox, alice, do="post", channel=general.id, text="", files=attached)
    assert sandbox.messages(general)[0].files[0].content == b"hello"


def test_the_preview_of_a_file_ends_with_a_whole_character(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    sandbox.post(alice, general, files=[("a.txt", "text/plain", ("가" * 1_000).encode())])
    (message,) = state(sandbox, alice).json()["channels"][0]["messages"]
    (preview,) = message["previews"].values()
    assert set(preview) == {"가"}


def test_the_same_click_adds_and_removes_a_reaction(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    message = sandbox.post(alice, general, "hello")
    click = {"do": "react", "channel": general.id, "ts": message.ts, "name": "eyes"}
    act(sandbox, alice, **click)
    assert sandbox.reactions(general, message.ts) == {"eyes": [alice.id]}
    act(sandbox, alice, **click)
    assert sandbox.reactions(general, message.ts) == {}


@pytest.mark.parametrize(
    ("text", "thread_ts", "notice"),
    [("/trace ls", "1.000000", "inside a thread"), ("/nope", None, "not a valid command")],
)
def test_a_refused_command_is_explained(
    sandbox: Sandbox, alice: User, general: Channel, text: str, thread_ts: str, notice: str
) -> None:
    where = {"channel": general.id, "thread_ts": thread_ts}
    assert notice in act(sandbox, alice, do="command", text=text, **where)["notice"]


def test_another_site_cannot_act_on_the_page(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    body = f'{{"user": "{alice.id}", "do": "post", "channel": "{general.id}", "text": "x"}}'
    url, headers = f"{sandbox.page_url}page/act", {"Content-Type": "text/plain"}
    answer = httpx.post(url, content=body, headers=headers, trust_env=False)
    assert answer.status_code == 415
    assert sandbox.messages(general) == []
