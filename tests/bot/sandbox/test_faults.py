"""The sandbox's faults on demand, met by Slack's own client and its retry handlers."""

import time

import httpx
import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_handlers import (
    RateLimitErrorRetryHandler,
    ServerErrorRetryHandler,
)

from bot.sandbox import Channel, Sandbox, User


def test_a_rate_limit_names_its_wait(sandbox: Sandbox, web: WebClient) -> None:
    sandbox.faults.rate_limit("auth.test", retry_after=7)
    with pytest.raises(SlackApiError) as caught:
        web.auth_test()
    assert caught.value.response.status_code == 429
    assert caught.value.response.headers["retry-after"] == "7"
    assert web.auth_test()["ok"]


def test_slack_s_retry_handlers_succeed_after_a_fault(sandbox: Sandbox, web: WebClient) -> None:
    web.retry_handlers.append(RateLimitErrorRetryHandler(max_retry_count=1))
    web.retry_handlers.append(ServerErrorRetryHandler(max_retry_count=1))
    sandbox.faults.rate_limit("auth.test", retry_after=0)
    assert web.auth_test()["ok"]
    sandbox.faults.server_error("auth.test", status=500)
    assert web.auth_test()["ok"]
    assert [call.status for call in sandbox.calls("auth.test")] == [429, 200, 500, 200]


def test_a_server_error_is_not_json(sandbox: Sandbox, web: WebClient) -> None:
    sandbox.faults.server_error("auth.test", status=503)
    with pytest.raises(SlackApiError, match="non-JSON"):
        web.auth_test()


def test_a_call_can_be_refused_with_any_error(sandbox: Sandbox, web: WebClient) -> None:
    sandbox.faults.error("auth.test", "account_inactive")
    with pytest.raises(SlackApiError, match="account_inactive"):
        web.auth_test()


def test_blocks_of_a_type_can_be_refused_with_their_place(
    sandbox: Sandbox, web: WebClient, general: Channel
) -> None:
    blocks = [{"type": "divider"}, {"type": "markdown", "text": "words"}]
    sandbox.faults.refuse_blocks("markdown")
    with pytest.raises(SlackApiError, match="invalid_blocks") as caught:
        web.chat_postMessage(channel=general.id, text="words", blocks=blocks)
    refusal = "unsupported type: markdown [json-pointer:/blocks/1/type]"
    assert caught.value.response["errors"] == [refusal]
    assert caught.value.response["response_metadata"]["messages"] == [f"[ERROR] {refusal}"]
    sandbox.faults.refuse_blocks("markdown", named=False)
    with pytest.raises(SlackApiError, match="invalid_blocks") as caught:
        web.chat_postMessage(channel=general.id, text="words", blocks=blocks)
    assert caught.value.response.data == {"ok": False, "error": "invalid_blocks"}
    sandbox.faults.refuse_blocks()
    assert web.chat_postMessage(channel=general.id, text="words", blocks=blocks)["ok"]


def test_an_answer_can_be_delayed(sandbox: Sandbox, web: WebClient) -> None:
    sandbox.faults.latency("auth.test", 0.2)
    begun = time.monotonic()
    assert web.auth_test()["ok"]
    assert time.monotonic() - begun >= 0.2


def test_an_answer_can_be_an_html_page(sandbox: Sandbox, web: WebClient) -> None:
    sandbox.faults.wrong_content("auth.test")
    with pytest.raises(SlackApiError, match="non-JSON"):
        web.auth_test()


def test_an_answer_to_a_command_can_be_met_with_a_page(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    sandbox.faults.answer("response_url", "Dienst nicht verf\xfcgbar".encode("latin-1"), status=502)
    url, _ = sandbox._slack.callbacks.new_response(user=alice.id, channel=general.id)
    answers = [httpx.post(url, json={"text": "hello"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [502, 200]
    assert answers[0].content.endswith(b"verf\xfcgbar")


def test_a_call_whose_answer_is_lost_has_its_effect(
    sandbox: Sandbox, web: WebClient, general: Channel
) -> None:
    sandbox.faults.lose_answer("chat.postMessage")
    with pytest.raises(SlackApiError) as caught:
        web.chat_postMessage(channel=general.id, text="hi")
    assert caught.value.response.status_code == 502
    assert [message.text for message in sandbox.messages(general)] == ["hi"]
