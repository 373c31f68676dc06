"""Methods of the Web API that list, open and describe things, called by the real client."""

from dataclasses import replace
from typing import Any

import httpx
import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.sandbox import Channel, Manifest, Sandbox, User
from tests.support.paths import MANIFEST


def error_of(web: WebClient, method: str, **arguments: object) -> str:
    with pytest.raises(SlackApiError) as caught:
        web.api_call(method, json=arguments)
    return str(caught.value.response["error"])


def with_scope(scope: str) -> Manifest:
    manifest = Manifest.read(MANIFEST)
    return replace(manifest, scopes=manifest.scopes | {scope})


def test_api_test_echoes_its_arguments_or_fails_with_the_given_error(web: WebClient) -> None:
    assert web.api_test(foo="bar")["args"] == {"foo": "bar"}
    assert error_of(web, "api.test", error="my_error") == "my_error"


def test_an_unknown_method_is_refused(web: WebClient) -> None:
    assert error_of(web, "chat.shout") == "unknown_method"


def test_a_body_that_is_not_json_has_no_arguments(sandbox: Sandbox) -> None:
    headers = {"Content-Type": "application/json"}
    url = f"{sandbox.api_url}api.test"
    answer = httpx.post(url, content="{", headers=headers, trust_env=False)
    assert answer.json() == {"ok": True, "args": {}}


def test_users_are_listed_in_pages(sandbox: Sandbox, web: WebClient) -> None:
    names = [sandbox.add_user(f"user{number}").name for number in range(3)]
    pages = [[user["name"] for user in page["members"]] for page in web.users_list(limit=3)]
    assert len(pages) > 1
    assert sum(pages, [])[-3:] == names


def test_an_unknown_bot_is_refused(web: WebClient) -> None:
    assert error_of(web, "bots.info", bot="B404") == "bot_not_found"


def test_the_workspace_is_described(sandbox: Sandbox) -> None:
    with Sandbox.start(with_scope("team:read")) as other:
        web = WebClient(token=other.bot_token, base_url=other.api_url)
        assert web.team_info()["team"]["id"] == sandbox.team_id


def test_channels_are_listed_by_kind_and_private_ones_only_to_members(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel
) -> None:
    sandbox.add_channel("secret", [alice], private=True, with_bot=False)
    ours = sandbox.add_channel("ours", [alice], private=True)
    direct = sandbox.open_dm(alice)

    def listed(**arguments: Any) -> list[str]:
        return [channel["id"] for channel in web.conversations_list(**arguments)["channels"]]

    assert listed() == [general.id]
    assert set(listed(types="public_channel,private_channel")) == {general.id, ours.id}
    assert listed(types="im") == [direct.id]
    assert error_of(web, "conversations.list", types="secret_channel") == "invalid_types"


def test_a_direct_message_is_opened_once(sandbox: Sandbox, web: WebClient, alice: User) -> None:
    opened = web.conversations_open(users=alice.id)["channel"]
    assert opened == {"id": sandbox.open_dm(alice).id}
    full = web.conversations_open(users=alice.id, return_im=True)["channel"]
    assert (full["id"], full["is_im"]) == (opened["id"], True)
    assert error_of(web, "conversations.open") == "users_list_not_supplied"
    assert error_of(web, "conversations.open", users="U404") == "user_not_found"


def test_opening_a_group_message_needs_its_own_scope(
    sandbox: Sandbox, web: WebClient, alice: User
) -> None:
    both = f"{alice.id},{sandbox.add_user('bob').id}"
    assert error_of(web, "conversations.open", users=both) == "missing_scope"


def test_an_app_joins_only_public_channels() -> None:
    with Sandbox.start(with_scope("channels:join")) as sandbox:
        web = WebClient(token=sandbox.bot_token, base_url=sandbox.api_url)
        public = sandbox.add_channel("public", with_bot=False)
        private = sandbox.add_channel("private", private=True)
        assert web.conversations_join(channel=public.id)["channel"]["is_member"] is True
        error = "method_not_supported_for_channel_type"
        assert error_of(web, "conversations.join", channel=private.id) == error


def test_times_that_are_not_timestamps_are_refused(web: WebClient, general: Channel) -> None:
    error = error_of(web, "conversations.history", channel=general.id, oldest="yesterday")
    assert error == "invalid_ts_oldest"


def test_a_status_is_shown_until_the_app_posts_into_the_thread(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel
) -> None:
    root = sandbox.post(alice, general, "work")
    where = {"channel_id": general.id, "thread_ts": root.ts}
    web.assistant_threads_setStatus(**where, status="thinks", loading_messages=["one moment"])
    assert _statuses(sandbox, alice) == {f"{general.id} {root.ts}": "thinks"}
    web.chat_postMessage(channel=general.id, thread_ts=root.ts, text="done")
    assert _statuses(sandbox, alice) == {}
    many = ["again"] * 11
    method = "assistant.threads.setStatus"
    assert error_of(web, method, **where, loading_messages=many) == "invalid_arguments"
    where["thread_ts"] = "1.000000"
    assert error_of(web, method, **where, status="thinks") == "thread_not_found"


def _statuses(sandbox: Sandbox, user: User) -> dict[str, str]:
    statuses: dict[str, str] = _state(sandbox, user)["statuses"]
    return statuses


def _state(sandbox: Sandbox, user: User) -> dict[str, Any]:
    url = f"{sandbox.page_url}page/state"
    shown: dict[str, Any] = httpx.get(url, params={"user": user.id}, trust_env=False).json()
    return shown


def test_at_most_four_prompts_are_suggested_and_none_in_a_thread(
    sandbox: Sandbox, web: WebClient, alice: User
) -> None:
    channel = sandbox.open_dm(alice).id
    prompts = [{"title": "Ask", "message": "what can you do?"}]
    web.assistant_threads_setSuggestedPrompts(channel_id=channel, prompts=prompts)
    shown = [each for each in _state(sandbox, alice)["channels"] if each["id"] == channel]
    assert [each["prompts"] for each in shown] == [prompts]
    method = "assistant.threads.setSuggestedPrompts"
    assert error_of(web, method, channel_id=channel, prompts=prompts * 5) == "invalid_arguments"
    assert error_of(web, method, channel_id=channel, prompts=[{}]) == "invalid_arguments"
    others = [{"title": "Other", "message": "other"}]
    web.assistant_threads_setSuggestedPrompts(channel_id=channel, prompts=others, thread_ts="1.2")
    assert sandbox._slack.prompts == {channel: prompts}


def test_an_unknown_session_status_is_refused(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel
) -> None:
    root = sandbox.post(alice, general, "work")
    where = {"channel_id": general.id, "thread_ts": root.ts}
    error = error_of(web, "agents.sessions.setStatus", **where, status="tired")
    assert error == "invalid_arguments"


def test_a_status_ends_by_itself_after_two_minutes(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel
) -> None:
    root = sandbox.post(alice, general, "work")
    where = {"channel_id": general.id, "thread_ts": root.ts}
    web.assistant_threads_setStatus(**where, status="thinks")
    sandbox.clock.advance(119)
    assert _statuses(sandbox, alice) == {f"{general.id} {root.ts}": "thinks"}
    sandbox.clock.advance(1)
    assert _statuses(sandbox, alice) == {}


def test_a_session_has_a_title_from_its_creation_or_is_renamed(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel
) -> None:
    root = sandbox.post(alice, general, "work")
    where = {"channel_id": general.id, "thread_ts": root.ts}
    assert error_of(web, "agents.sessions.rename", **where, title="a") == "session_not_found"
    set_status = web.agents_sessions_setStatus
    made = set_status(**where, status="processing", title="a", initiator_user_id=alice.id)
    again = set_status(**where, status="suspended", title="b")
    assert (made["title"], again["title"], again["status"]) == ("a", "a", "suspended")
    web.agents_sessions_rename(**where, title="c")
    session = sandbox.session(general, root.ts)
    assert session is not None
    assert (session.title, session.initiator) == ("c", alice.id)
    status = {**where, "status": "active"}
    method = "agents.sessions.setStatus"
    assert error_of(web, method, **status, title="x" * 201) == "invalid_arguments"
    assert error_of(web, method, **status, initiator_user_id="U404") == "invalid_arguments"


def test_an_app_without_the_stop_event_is_warned() -> None:
    manifest = Manifest.read(MANIFEST).without("agent_session_stopped")
    with Sandbox.start(manifest) as sandbox:
        alice = sandbox.add_user("alice")
        channel = sandbox.add_channel("general", [alice])
        root = sandbox.post(alice, channel, "work")
        web = WebClient(token=sandbox.bot_token, base_url=sandbox.api_url)
        where = {"channel_id": channel.id, "thread_ts": root.ts, "status": "processing"}
        answer = web.api_call("agents.sessions.setStatus", json=where)
        assert answer["warning"] == "missing_agent_session_stopped_event_subscription"


def test_markdown_replaces_text_and_blocks(
    sandbox: Sandbox, web: WebClient, general: Channel
) -> None:
    web.api_call("chat.postMessage", json={"channel": general.id, "markdown_text": "*hi*"})
    (message,) = sandbox.messages(general)
    assert message.blocks[0]["text"] == "*hi*"
    where = {"channel": general.id, "markdown_text": "x"}
    assert error_of(web, "chat.postMessage", **where, text="y") == "markdown_text_conflict"
    where["markdown_text"] = "x" * 12_001
    assert error_of(web, "chat.postMessage", **where) == "msg_too_long"
    wrong = {"channel": general.id, "text": "x", "metadata": {"event_type": "x"}}
    assert error_of(web, "chat.postMessage", **wrong) == "invalid_metadata_format"


def test_a_stream_refuses_what_slack_refuses(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel
) -> None:
    direct = sandbox.open_dm(alice)
    root = sandbox.post(alice, direct, "work")
    where = {"channel": direct.id, "thread_ts": root.ts}
    long, unknown = "x" * 12_001, [{"type": "song"}]
    assert error_of(web, "chat.startStream", **where, markdown_text=long) == "msg_too_long"
    assert error_of(web, "chat.startStream", **where, chunks=unknown) == "invalid_chunks"
    ts = web.chat_startStream(**where)["ts"]
    assert error_of(web, "chat.appendStream", channel=direct.id, ts=ts) == "no_text"


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"view": {"type": "home", "blocks": [{"type": "divider"}]}}, None),
        ({"message": {"blocks": [{"type": "divider"}]}}, None),
        ({"message": {"blocks": [{"type": "song"}]}}, "invalid_message"),
        ({"view": {"type": "home"}}, "invalid_view"),
        ({"view": "[]"}, "invalid_view"),
        ({}, "invalid_arguments"),
    ],
)
def test_views_and_messages_can_be_validated(
    web: WebClient, given: dict[str, object], error: str | None
) -> None:
    if error is None:
        assert web.api_call("blocks.validate", json=given)["ok"]
    else:
        assert error_of(web, "blocks.validate", **given) == error


def test_an_update_takes_4000_bytes_of_text_also_beside_blocks(
    web: WebClient, general: Channel
) -> None:
    blocks = [{"type": "divider"}]
    ts = str(web.chat_postMessage(channel=general.id, text="ㄱ" * 1_500, blocks=blocks)["ts"])
    fits = "글" * 1_333 + "."
    assert web.chat_update(channel=general.id, ts=ts, text=fits, blocks=blocks)["ok"]
    with pytest.raises(SlackApiError, match="msg_too_long"):
        web.chat_update(channel=general.id, ts=ts, text=f"{fits}.", blocks=blocks)
