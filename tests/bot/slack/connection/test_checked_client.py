"""Slack, or a gateway in front of it, sends what no caller can read: the bot goes on."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError

from bot.agents.config.roster import load_roster
from bot.sandbox import Channel, Sandbox, User
from bot.settings import Settings
from bot.slack.connection import client as clients
from bot.slack.connection.checked_client import CONTENTS, CheckedClient
from bot.slack.connection.client import (
    client_for_lookups,
    client_with_retries,
    client_without_retries,
)
from bot.slack.errors import SLACK_ERRORS, SlackUnwell, error_code
from bot.slack.own_secrets import OwnSecrets
from storage import Observability
from tests.support.conversations import StartBot, finished
from tests.support.running_bot import settings_for

LATIN_1 = "<html>Dienst nicht verfügbar</html>".encode("latin-1")

MALFORMED: Mapping[str, dict[str, Any]] = {
    "a page in latin-1 as a 502": {"body": LATIN_1, "status": 502, "content_type": "text/html"},
    "a page in latin-1": {"body": LATIN_1, "content_type": "text/html"},
    "a page": {"body": "<html></html>", "content_type": "text/html"},
    "an encoding that does not exist": {
        "body": '{"ok": true}',
        "content_type": "application/json; charset=klingon",
    },
    "nothing": {"body": ""},
    "a page as a 408": {"body": "<html></html>", "status": 408, "content_type": "text/html"},
    "nothing as a 504": {"body": "", "status": 504},
    "half an answer": {"body": '{"ok": true, "mess'},
    "an empty list": {"body": "[]"},
    "a list": {"body": '[{"ok": true}]'},
    "a list as a 500": {"body": "[1]", "status": 500},
    "null": {"body": "null"},
    "an answer that does not say whether it is one": {"body": "{}"},
    "a refusal without a reason": {"body": '{"ok": false}'},
    "a refusal whose reason is no text": {"body": '{"ok": false, "error": {"code": 5}}'},
    "an answer without its contents": {"body": '{"ok": true}'},
    "no messages": {"body": '{"ok": true, "messages": null}'},
    "messages that are none": {"body": '{"ok": true, "messages": [null, {"text": "hi"}]}'},
    "a time stamp that is none": {"body": '{"ok": true, "messages": [{"ts": "now"}]}'},
    "a message of another shape": {"body": '{"ok": true, "messages": [{"ts": "1.0", "text": 5}]}'},
    "a refusal of another shape": {"body": '{"ok": false, "error": ["invalid_blocks"]}'},
    "a refusal that explains itself in another shape": {
        "body": '{"ok": false, "error": "invalid_blocks", "errors": 5}'
    },
    "metadata of another shape": {
        "body": '{"ok": true, "messages": [], "response_metadata": ["a warning"]}'
    },
}


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "PATIENT", replace(clients.PATIENT, first_wait_s=0.0))
    monkeypatch.setattr(clients, "BRIEF", replace(clients.BRIEF, first_wait_s=0.0))


@pytest.fixture
def settings(sandbox: Sandbox, observability: Observability) -> Settings:
    return settings_for(sandbox, observability)


@pytest.fixture
def secrets(settings: Settings) -> OwnSecrets:
    return OwnSecrets(settings, load_roster(None))


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_answer_is_one_error_that_every_caller_expects(
    kind: str,
    sandbox: Sandbox,
    general: Channel,
    settings: Settings,
    secrets: OwnSecrets,
) -> None:
    client = client_without_retries(settings, secrets)
    sandbox.faults.answer("conversations.replies", **MALFORMED[kind])
    with pytest.raises(SLACK_ERRORS) as caught:
        client.conversations_replies(channel=general.id, ts="1.0")
    assert isinstance(caught.value, SlackUnwell)
    status = MALFORMED[kind].get("status")
    assert error_code(caught.value) == (f"status {status}" if status else "malformed_answer")


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_call_is_repeated_after_a_malformed_answer(
    kind: str,
    sandbox: Sandbox,
    alice: User,
    general: Channel,
    settings: Settings,
    secrets: OwnSecrets,
) -> None:
    question = sandbox.post(alice, general, "hello")
    sandbox.faults.answer("conversations.replies", **MALFORMED[kind])
    client = client_with_retries(settings, secrets)
    answer = client.conversations_replies(channel=general.id, ts=question.ts)
    assert [each["text"] for each in answer["messages"]] == ["hello"]


def test_a_call_that_is_repeated_is_not_told_with_each_repetition(
    sandbox: Sandbox,
    alice: User,
    settings: Settings,
    secrets: OwnSecrets,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    sandbox.faults.rate_limit("users.info", times=2, retry_after=0)
    client_with_retries(settings, secrets).users_info(user=alice.id)
    assert len(sandbox.calls("users.info")) == 3
    assert caplog.records == []


@pytest.mark.parametrize("method", sorted(CONTENTS))
def test_no_caller_reads_an_answer_without_its_contents(
    method: str, sandbox: Sandbox, settings: Settings, secrets: OwnSecrets
) -> None:
    sandbox.faults.answer(method, '{"ok": true}')
    with pytest.raises(SlackUnwell):
        client_without_retries(settings, secrets).api_call(method)


@pytest.mark.parametrize(
    "more",
    [
        {"url": "https://login.example"},
        {"url": "wss://[half"},
        {"url": "wss://a.example", "response_metadata": {"messages": 5}},
        {"url": "wss://a.example", "response_metadata": {"next_cursor": ["x"]}},
    ],
    ids=str,
)
def test_no_connection_is_opened_where_there_can_be_none(
    more: Mapping[str, Any], sandbox: Sandbox, settings: Settings, secrets: OwnSecrets
) -> None:
    sandbox.faults.answer("apps.connections.open", json.dumps({"ok": True, **more}))
    with pytest.raises(SlackUnwell):
        client_without_retries(settings, secrets).apps_connections_open(app_token="xapp-1")


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"upload_url": None},
        {"upload_url": "files.slack.com"},
        {"upload_url": "http://[files.slack.com", "file_id": "F1"},
        {"upload_url": "API/api.test", "file_id": "F1"},
    ],
    ids=str,
)
def test_a_file_without_a_place_to_send_it_to_is_one_error_too(
    answer: Mapping[str, Any],
    sandbox: Sandbox,
    general: Channel,
    settings: Settings,
    secrets: OwnSecrets,
) -> None:
    place = json.dumps({"ok": True, **answer}).replace("API/", sandbox.api_url)
    sandbox.faults.answer("files.getUploadURLExternal", place)
    sandbox.faults.answer("api.test", LATIN_1, content_type="text/html; charset=utf-8")
    client = client_without_retries(settings, secrets)
    with pytest.raises(SlackUnwell):
        client.files_upload_v2(channel=general.id, filename="answer.md", content="an answer")


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520])
def test_a_call_is_repeated_after_any_error_of_a_server(
    status: int,
    sandbox: Sandbox,
    alice: User,
    general: Channel,
    settings: Settings,
    secrets: OwnSecrets,
) -> None:
    question = sandbox.post(alice, general, "hello")
    sandbox.faults.server_error("conversations.replies", status=status)
    sandbox.faults.answer(
        "conversations.replies", '{"ok": false, "error": "fatal_error"}', status=status
    )
    client = client_with_retries(settings, secrets)
    assert client.conversations_replies(channel=general.id, ts=question.ts)["messages"]


@pytest.mark.parametrize(
    ("wait", "body"),
    [
        ("0", '{"ok": false, "error": "ratelimited"}'),
        ("0.01", ""),
        ("Thu, 01 Jan 1970 00:00:00 GMT", "<html>slow down</html>"),
        ("soon", LATIN_1),
    ],
)
def test_a_rate_limit_is_kept_whoever_sets_it_and_however_they_say_it(
    wait: str, body: str | bytes, sandbox: Sandbox, settings: Settings, secrets: OwnSecrets
) -> None:
    limit = {"body": body, "status": 429, "headers": {"Retry-After": wait}}
    sandbox.faults.answer("auth.test", **limit)
    with pytest.raises(SlackApiError) as caught:
        client_without_retries(settings, secrets).auth_test()
    assert error_code(caught.value) == "ratelimited"
    sandbox.faults.answer("auth.test", **limit)
    assert client_with_retries(settings, secrets).auth_test()["user_id"] == sandbox.bot_user_id


def test_a_refusal_of_slack_is_an_answer(
    sandbox: Sandbox, settings: Settings, secrets: OwnSecrets
) -> None:
    client = client_with_retries(settings, secrets)
    with pytest.raises(SlackApiError) as caught:
        client.users_info(user="U0NOBODY")
    assert error_code(caught.value) == "user_not_found"
    assert len(sandbox.calls("users.info")) == 1


@pytest.mark.parametrize(
    "kind", ["a page in latin-1 as a 502", "a list", "an answer without its contents"]
)
def test_a_turn_goes_on_whatever_one_call_is_answered_with(
    kind: str,
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    root = sandbox.post(alice, general, "once upon a time")
    for method in (
        *("users.info", "conversations.info", "conversations.members", "users.conversations"),
        *("conversations.replies", "reactions.add", "reactions.remove", "chat.postMessage"),
    ):
        sandbox.faults.answer(method, **MALFORMED[kind])
    question = sandbox.post(alice, general, f"{sandbox.mention} hello", thread_ts=root.ts)
    sandbox.wait_for_reply(general, root.ts, containing="hello")
    sandbox.wait_for_reaction(general, question.ts, "white_check_mark")
    # The mention comes as a message and as a mention, and only one of them is a turn.
    traces = finished(observability, general, root.ts, count=2)
    (trace,) = [each for each in traces if each.message_ts == question.ts]
    assert trace.status == "ok"


@pytest.mark.parametrize("method", ["reactions.add", "reactions.remove"])
def test_no_answer_is_lost_while_one_method_is_broken_for_good(
    method: str, sandbox: Sandbox, start_bot: StartBot, alice: User, general: Channel
) -> None:
    start_bot()
    sandbox.post(alice, general, f"{sandbox.mention} before")
    sandbox.wait_for_message(general, containing="before")
    sandbox.faults.answer(method, "[]", times=30)
    sandbox.post(alice, general, f"{sandbox.mention} during")
    sandbox.wait_for_message(general, containing="during")


def test_the_sandbox_sends_bytes_under_any_status(sandbox: Sandbox) -> None:
    sandbox.faults.answer("auth.test", LATIN_1, status=502, content_type="text/html")
    client = CheckedClient(token=sandbox.bot_token, base_url=sandbox.api_url)
    with pytest.raises(SlackUnwell):
        client.auth_test()
    assert json.loads(json.dumps(client.auth_test().data))["ok"]


@pytest.mark.parametrize("code", ["internal_error", "service_unavailable", "ratelimited"])
def test_a_call_is_repeated_after_what_slack_recovers_from(
    code: str, sandbox: Sandbox, settings: Settings, secrets: OwnSecrets
) -> None:
    sandbox.faults.error("auth.test", code, times=2)
    assert client_with_retries(settings, secrets).auth_test()["user_id"] == sandbox.bot_user_id


def test_a_lookup_waits_for_no_long_rate_limit(
    sandbox: Sandbox, settings: Settings, secrets: OwnSecrets
) -> None:
    sandbox.faults.rate_limit("users.info", retry_after=30)
    with pytest.raises(SlackApiError):
        client_for_lookups(settings, secrets).users_info(user=sandbox.bot_user_id)


def test_a_redirect_takes_no_token_along(
    sandbox: Sandbox, settings: Settings, secrets: OwnSecrets
) -> None:
    sandbox.faults.redirect(sandbox.elsewhere_url, method="auth.test", times=10)
    for client in (client_with_retries, client_for_lookups, client_without_retries):
        with pytest.raises(SlackUnwell):
            client(settings, secrets).auth_test()
    assert len(sandbox.tokens_elsewhere) > 2
    assert not any(sandbox.tokens_elsewhere)


def test_no_message_is_posted_twice_by_a_repeated_call(
    sandbox: Sandbox, general: Channel, settings: Settings, secrets: OwnSecrets
) -> None:
    client = client_with_retries(settings, secrets)
    sandbox.faults.server_error("chat.postMessage")
    with pytest.raises(SLACK_ERRORS):
        client.chat_postMessage(channel=general.id, text="hello")
    assert len(sandbox.calls("chat.postMessage")) == 1
    sandbox.faults.rate_limit("chat.postMessage", retry_after=0)
    client.chat_postMessage(channel=general.id, text="hello")
    assert [message.text for message in sandbox.messages(general)] == ["hello"]
