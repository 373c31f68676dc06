"""Reading threads: what is cached, and what must not be."""

from collections.abc import Callable
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.web.slack_response import SlackResponse

from bot.sandbox import Channel, Sandbox, User
from bot.slack.threads import CACHE_S, ThreadReader, fingerprint


class SlowlyRead(WebClient):
    """A client that does something between Slack's answer to a page and its caller's return."""

    meanwhile: Callable[[], object] = staticmethod(lambda: None)

    def conversations_replies(self, **arguments: Any) -> SlackResponse:
        page = super().conversations_replies(**arguments)
        self.meanwhile()
        return page


def texts(threads: ThreadReader, channel: Channel, ts: str) -> list[str]:
    return [each["text"] for each in threads.read(channel.id, ts).earlier(before="9e9")]


def test_only_newer_messages_are_fetched_the_second_time(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel
) -> None:
    first = sandbox.post(alice, general, "one")
    threads = ThreadReader(web, bot_id=sandbox.bot_id)
    assert texts(threads, general, first.ts) == ["one"]
    second = sandbox.post(alice, general, "two", thread_ts=first.ts)
    assert texts(threads, general, first.ts) == ["one", "two"]
    calls = sandbox.calls("conversations.replies")
    assert [call.arguments.get("oldest") for call in calls] == [None, first.ts]
    assert texts(threads, general, second.thread_ts or "") == ["one", "two"]


def test_a_thread_is_read_from_its_beginning_when_the_cache_is_old(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel
) -> None:
    first = sandbox.post(alice, general, "one")
    now = 0.0
    threads = ThreadReader(web, bot_id=sandbox.bot_id, clock=lambda: now)
    threads.read(general.id, first.ts)
    now = CACHE_S
    assert not threads.read(general.id, first.ts).cached


def test_a_thread_in_use_is_read_from_its_beginning_as_often_as_another(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel
) -> None:
    message = sandbox.post(alice, general, "my password is hunter2")
    now = 0.0
    threads = ThreadReader(web, bot_id=sandbox.bot_id, clock=lambda: now)
    threads.read(general.id, message.ts)
    sandbox.edit(alice, message, "never mind")  # Of which nobody tells the bot.
    now = CACHE_S - 1
    assert threads.read(general.id, message.ts).cached
    now = CACHE_S
    assert texts(threads, general, message.ts) == ["never mind"]


def test_a_message_edited_while_its_thread_is_read_is_not_remembered(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    message = sandbox.post(alice, general, "my password is hunter2")
    client = SlowlyRead(sandbox.bot_token, base_url=sandbox.api_url)
    threads = ThreadReader(client, bot_id=sandbox.bot_id)

    def edit() -> None:
        client.meanwhile = lambda: None
        sandbox.edit(alice, message, "never mind")
        threads.forget(general.id, message.ts)

    client.meanwhile = edit
    threads.read(general.id, message.ts)
    assert texts(threads, general, message.ts) == ["never mind"]


def test_an_edit_in_another_channel_keeps_no_thread_from_being_remembered(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    message = sandbox.post(alice, general, "one")
    client = SlowlyRead(sandbox.bot_token, base_url=sandbox.api_url)
    threads = ThreadReader(client, bot_id=sandbox.bot_id)
    client.meanwhile = lambda: threads.forget("C1", "1.0")
    threads.read(general.id, message.ts)
    assert threads.read(general.id, message.ts).cached


class NewestPageFirst(WebClient):
    """A client whose pages of a thread come in the opposite order."""

    def conversations_replies(self, **arguments: Any) -> SlackResponse:
        first = super().conversations_replies(**arguments)
        pages = [page["messages"] for page in first]
        first.data = {"messages": [each for page in reversed(pages) for each in page]}
        return first


@pytest.mark.parametrize("client", [WebClient, NewestPageFirst])
def test_a_thread_of_several_pages_is_read_in_order_with_one_root(
    sandbox: Sandbox, client: type[WebClient], alice: User, general: Channel
) -> None:
    root = sandbox.post(alice, general, "root")
    threads = ThreadReader(client(sandbox.bot_token, base_url=sandbox.api_url), bot_id="B1")
    said = [f"reply {number}" for number in range(401)]
    for text in said:
        sandbox.post(alice, general, text, thread_ts=root.ts)
    assert texts(threads, general, root.ts) == ["root", *said]


def test_a_thread_that_grows_by_a_page_keeps_its_fingerprint(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel
) -> None:
    last = root = sandbox.post(alice, general, "root")
    for number in range(199):
        last = sandbox.post(alice, general, f"reply {number}", thread_ts=root.ts)

    def read() -> str:
        messages = ThreadReader(web, bot_id="B1").read(general.id, root.ts).messages or ()
        return fingerprint(messages, bot_id="B1", until=last.ts)

    known = read()
    sandbox.post(alice, general, "one more", thread_ts=root.ts)
    assert read() == known
