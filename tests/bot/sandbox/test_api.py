"""The sandbox's Web API, called by the real client."""

import json
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.sandbox import Channel, Manifest, Sandbox, User
from bot.sandbox.methods import METHODS
from tests.support.paths import MANIFEST
from tests.support.slack_errors import refused


def test_auth_test_names_the_bot_and_its_scopes(sandbox: Sandbox, web: WebClient) -> None:
    answer = web.auth_test()
    assert answer["user_id"] == sandbox.bot_user_id
    assert answer["bot_id"] == sandbox.bot_id
    assert "chat:write" in answer.headers["X-OAuth-Scopes"].split(",")


@pytest.mark.parametrize(("token", "error"), [("", "not_authed"), ("xoxb-wrong", "invalid_auth")])
def test_an_unknown_token_is_refused(sandbox: Sandbox, token: str, error: str) -> None:
    assert refused(WebClient(token=token, base_url=sandbox.api_url).auth_test) == error


def test_a_token_of_the_wrong_kind_is_refused(sandbox: Sandbox, web: WebClient) -> None:
    error = "not_allowed_token_type"
    assert refused(web.apps_connections_open, app_token=sandbox.bot_token) == error
    assert refused(WebClient(sandbox.app_token, base_url=sandbox.api_url).users_list) == error


def test_a_revoked_token_is_refused(sandbox: Sandbox, web: WebClient) -> None:
    sandbox.revoke_tokens()
    assert refused(web.auth_test) == "token_revoked"


def test_a_scope_missing_from_the_manifest_is_named() -> None:
    with Sandbox.start(Manifest.read(MANIFEST).without("reactions:write")) as sandbox:
        channel = sandbox.add_channel("general")
        web = WebClient(token=sandbox.bot_token, base_url=sandbox.api_url)
        with pytest.raises(SlackApiError) as caught:
            web.reactions_add(channel=channel.id, timestamp="1.000000", name="eyes")
    assert caught.value.response["error"] == "missing_scope"
    assert caught.value.response["needed"] == "reactions:write"
    assert "chat:write" in caught.value.response["provided"]


def test_history_needs_the_scope_of_the_kind_of_channel() -> None:
    with Sandbox.start(Manifest.read(MANIFEST).without("groups:history")) as sandbox:
        web = WebClient(token=sandbox.bot_token, base_url=sandbox.api_url)
        secret = sandbox.add_channel("secret", private=True)
        assert refused(web.conversations_history, channel=secret.id) == "missing_scope"
        assert web.conversations_history(channel=sandbox.add_channel("open").id)["messages"] == []


def test_no_token_is_ever_recorded(sandbox: Sandbox, web: WebClient) -> None:
    web.auth_test()
    web.api_call("auth.test", params={"token": sandbox.bot_token})
    assert sandbox.bot_token not in repr(sandbox.calls())


def test_the_bot_reads_and_writes_only_in_its_channels(
    sandbox: Sandbox, web: WebClient, alice: User
) -> None:
    public = sandbox.add_channel("public", [alice], with_bot=False)
    secret = sandbox.add_channel("secret", [alice], with_bot=False, private=True)
    assert refused(web.chat_postMessage, channel=public.id, text="hi") == "not_in_channel"
    assert refused(web.chat_postMessage, channel=secret.id, text="hi") == "channel_not_found"
    assert refused(web.conversations_info, channel=secret.id) == "channel_not_found"
    assert refused(web.conversations_members, channel=secret.id) == "channel_not_found"
    assert web.conversations_info(channel=public.id)["channel"]["is_member"] is False


def test_a_message_to_a_user_is_a_direct_message(
    sandbox: Sandbox, web: WebClient, alice: User
) -> None:
    answer = web.chat_postMessage(channel=alice.id, text="hi")
    assert answer["channel"] == sandbox.open_dm(alice).id


def test_a_thread_is_read_in_pages_each_with_the_root(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel
) -> None:
    root = sandbox.post(alice, general, "root")
    for number in range(7):
        sandbox.post(alice, general, f"reply {number}", thread_ts=root.ts)
    answers = web.conversations_replies(channel=general.id, ts=root.ts, limit=3)
    pages = [[message["text"] for message in answer["messages"]] for answer in answers]
    assert [len(page) for page in pages] == [3, 3, 3, 2]
    assert {page[0] for page in pages} == {"root"}
    replies = [text for page in pages for text in page[1:]]
    assert replies == [f"reply {number}" for number in range(7)]


def test_history_is_newest_first_and_without_replies(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel
) -> None:
    first = sandbox.post(alice, general, "first")
    sandbox.post(alice, general, "reply", thread_ts=first.ts)
    sandbox.post(alice, general, "second")
    messages = web.conversations_history(channel=general.id)["messages"]
    assert [message["text"] for message in messages] == ["second", "first"]
    later = web.conversations_history(channel=general.id, oldest=first.ts)["messages"]
    assert [message["text"] for message in later] == ["second"]


def test_an_invented_cursor_is_refused(web: WebClient, general: Channel) -> None:
    call = web.conversations_history
    assert refused(call, channel=general.id, cursor="bmV4dDp4") == "invalid_cursor"
    assert refused(call, channel=general.id, limit=0) == "invalid_limit"


def test_members_are_read_in_pages(sandbox: Sandbox, web: WebClient) -> None:
    people = [sandbox.add_user(f"user{number}") for number in range(5)]
    crowd = sandbox.add_channel("crowd", people)
    found = [
        member
        for page in web.conversations_members(channel=crowd.id, limit=2)
        for member in page["members"]
    ]
    assert found == [*(person.id for person in people), sandbox.bot_user_id]


def test_guests_partners_and_bots_can_be_told_apart(sandbox: Sandbox, web: WebClient) -> None:
    guest = sandbox.add_user("guest", guest=True)
    partner = sandbox.add_user("partner", external=True, tz="Asia/Tokyo")
    robot = sandbox.add_bot("codex")
    assert web.users_info(user=guest.id)["user"]["is_restricted"] is True
    shown = web.users_info(user=partner.id)["user"]
    assert (shown["team_id"] != sandbox.team_id, shown["is_stranger"]) == (True, False)
    assert shown["tz_offset"] == 9 * 3600
    assert web.users_info(user=robot.id)["user"]["is_bot"] is True
    assert web.bots_info(bot=robot.bot_id)["bot"]["name"] == "codex"
    assert refused(web.users_info, user="U404") == "user_not_found"


@pytest.mark.parametrize("way", ["postMessage", "startStream", "postEphemeral"])
def test_a_reply_to_an_unknown_thread_is_posted_in_the_channel(
    way: str, sandbox: Sandbox, web: WebClient, alice: User, general: Channel
) -> None:
    more = {
        "postMessage": {"text": "hi"},
        "postEphemeral": {"text": "hi", "user": alice.id},
        "startStream": {"recipient_user_id": alice.id, "recipient_team_id": sandbox.team_id},
    }
    where = {"channel": general.id, "thread_ts": "1.000000", **more[way]}
    assert web.api_call(f"chat.{way}", json=where)["ok"]
    (posted,) = [*sandbox.messages(general), *sandbox.ephemerals(alice, general)]
    assert posted.thread_ts is None


def test_a_reply_to_a_reply_is_posted_in_the_channel(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel
) -> None:
    root = sandbox.post(alice, general, "root")
    where = {"channel": general.id, "text": "hi"}
    reply = web.chat_postMessage(**where, thread_ts=root.ts)
    again = web.chat_postMessage(**where, thread_ts=reply["ts"])
    assert reply["message"]["thread_ts"] == root.ts
    assert "thread_ts" not in again["message"]
    assert refused(web.chat_postMessage, **where, thread_ts="yesterday") == "invalid_thread_ts"


def test_a_file_for_an_unknown_thread_is_shared_in_the_channel(
    sandbox: Sandbox, web: WebClient, general: Channel
) -> None:
    web.files_upload_v2(channel=general.id, content="x", filename="a.txt", thread_ts="1.000000")
    (posted,) = sandbox.messages(general)
    assert (posted.thread_ts, posted.files[0].name) == (None, "a.txt")


@pytest.mark.parametrize(
    ("restriction", "in_thread", "in_channel"),
    [
        ("restricted_action", False, False),
        ("restricted_action_read_only_channel", False, False),
        ("restricted_action_thread_only_channel", True, False),
        ("restricted_action_non_threadable_channel", False, True),
        ("restricted_action_thread_locked", False, True),
        ("cannot_reply_to_message", False, True),
        ("user_is_restricted", False, False),
        ("is_archived", False, False),
    ],
)
def test_a_restricted_channel_refuses_posts(
    restriction: str,
    in_thread: bool,
    in_channel: bool,
    sandbox: Sandbox,
    web: WebClient,
    alice: User,
    general: Channel,
) -> None:
    root = sandbox.post(alice, general, "root")
    if restriction == "is_archived":
        sandbox.archive(general)
    else:
        sandbox.restrict(general, restriction)
    where = {"channel": general.id, "text": "hi"}
    recipient = {"recipient_user_id": alice.id, "recipient_team_id": sandbox.team_id}
    for allowed, call, arguments in [
        (in_thread, web.chat_postMessage, {**where, "thread_ts": root.ts}),
        (in_thread, web.chat_startStream, {**where, "thread_ts": root.ts, **recipient}),
        (in_channel, web.chat_postMessage, where),
        (in_channel, web.chat_postEphemeral, {**where, "user": alice.id}),
    ]:
        if allowed:
            assert call(**arguments)["ok"]
        else:
            assert refused(call, **arguments) == restriction


def test_nothing_changes_in_an_archived_channel(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel
) -> None:
    recipient = {"recipient_user_id": alice.id, "recipient_team_id": sandbox.team_id}
    root = sandbox.post(alice, general, "root")
    posted = web.chat_postMessage(channel=general.id, text="hi")
    stream = web.chat_startStream(channel=general.id, thread_ts=root.ts, **recipient)
    sandbox.archive(general)
    message = {"channel": general.id, "ts": posted["ts"]}
    streamed = {"channel": general.id, "ts": stream["ts"]}
    assert refused(web.chat_update, **message, text="ho") == "is_inactive"
    assert refused(web.chat_delete, **message) == "is_archived"
    assert refused(web.chat_appendStream, **streamed, markdown_text="ho") == "is_archived"
    assert refused(web.chat_stopStream, **streamed) == "is_archived"


def test_an_empty_message_is_refused(web: WebClient, general: Channel) -> None:
    with pytest.warns(UserWarning, match="`text` argument is missing"):
        assert refused(web.chat_postMessage, channel=general.id, text="") == "no_text"


def test_a_long_text_is_cut_when_posted_and_refused_when_updated(
    sandbox: Sandbox, web: WebClient, general: Channel
) -> None:
    posted = web.chat_postMessage(channel=general.id, text="x" * 50_000)
    assert len(sandbox.messages(general)[0].text) == 40_000
    error = refused(web.chat_update, channel=general.id, ts=posted["ts"], text="x" * 4001)
    assert error == "msg_too_long"


def test_the_bot_can_change_only_its_own_messages(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel
) -> None:
    mine = web.chat_postMessage(channel=general.id, text="mine")["ts"]
    theirs = sandbox.post(alice, general, "theirs").ts
    web.chat_update(channel=general.id, ts=mine, text="better")
    assert sandbox.messages(general)[0].text == "better"
    where = {"channel": general.id, "ts": theirs}
    assert refused(web.chat_update, **where, text="no") == "cant_update_message"
    assert refused(web.chat_delete, **where) == "cant_delete_message"
    web.chat_delete(channel=general.id, ts=mine)
    assert [message.text for message in sandbox.messages(general)] == ["theirs"]


def test_an_ephemeral_message_is_seen_by_one_person_and_cannot_be_fetched(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel
) -> None:
    bob = sandbox.add_user("bob")
    call = web.chat_postEphemeral
    ts = call(channel=general.id, user=alice.id, text="for you")["message_ts"]
    assert [message.text for message in sandbox.ephemerals(alice, general)] == ["for you"]
    assert web.conversations_history(channel=general.id)["messages"] == []
    where = {"channel": general.id, "ts": ts}
    assert refused(web.chat_update, **where, text="again") == "message_not_found"
    assert refused(web.conversations_replies, **where) == "thread_not_found"
    permalink = {"channel": general.id, "message_ts": ts}
    assert refused(web.chat_getPermalink, **permalink) == "message_not_found"
    assert refused(call, channel=general.id, user=bob.id, text="x") == "user_not_in_channel"


def test_a_reaction_can_be_added_only_once(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel
) -> None:
    ts = sandbox.post(alice, general, "hi").ts
    where = {"channel": general.id, "timestamp": ts}
    web.reactions_add(**where, name="eyes")
    assert refused(web.reactions_add, **where, name="eyes") == "already_reacted"
    assert refused(web.reactions_remove, **where, name="tada") == "no_reaction"
    assert refused(web.reactions_add, **where, name=":eyes:") == "invalid_name"
    assert sandbox.reactions(general, ts) == {"eyes": [sandbox.bot_user_id]}
    assert web.reactions_get(**where)["message"]["reactions"][0]["count"] == 1
    web.reactions_remove(**where, name="eyes")
    assert sandbox.reactions(general, ts) == {}


def test_a_reaction_is_stored_under_its_main_name(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    message = sandbox.post(alice, general, "hi")
    sandbox.react(alice, message, "thumbsup")
    assert sandbox.reactions(general, message.ts) == {"+1": [alice.id]}


def test_metadata_is_returned_only_on_request(web: WebClient, general: Channel) -> None:
    metadata = {"event_type": "answer", "event_payload": {"trace": "abc"}}
    web.chat_postMessage(channel=general.id, text="hi", metadata=metadata)
    plain = web.conversations_history(channel=general.id)["messages"][0]
    full = web.conversations_history(channel=general.id, include_all_metadata=True)["messages"][0]
    assert "metadata" not in plain
    assert full["metadata"] == metadata
    long = {"event_type": "x" * 51, "event_payload": {}}
    error = refused(web.chat_postMessage, channel=general.id, text="hi", metadata=long)
    assert error == "invalid_metadata_format"


def test_a_permalink_leads_into_the_thread(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel
) -> None:
    root = sandbox.post(alice, general, "root")
    reply = sandbox.post(alice, general, "reply", thread_ts=root.ts)
    link = web.chat_getPermalink(channel=general.id, message_ts=reply.ts)["permalink"]
    path = f"/archives/{general.id}/p{reply.ts.replace('.', '')}"
    assert link.endswith(f"{path}?thread_ts={root.ts}&cid={general.id}")


NONSENSE: list[dict[str, Any]] = [
    {},
    {"channel": [1]},
    {"channel": "{general}", "text": "x", "blocks": [1]},
    {"channel": "{general}", "text": "x", "blocks": "{"},
    {"channel": "{general}", "text": "x", "metadata": "x"},
    {"channel": "{general}", "ts": "x", "timestamp": "x", "oldest": "x", "limit": "-1"},
    {"channel_id": "{general}", "thread_ts": "x", "loading_messages": 5},
    {"channel": "{general}", "thread_ts": "x", "chunks": [{"type": "markdown_text", "text": 5}]},
    {"view": [], "user_id": "{alice}"},
    {"view": {"type": "home", "blocks": 1}, "user_id": "{alice}"},
    {"view": {"type": "modal", "title": "x", "blocks": []}, "trigger_id": "x"},
    {"message": 1},
    {"files": [{}], "filename": "x", "length": "-1"},
]


@pytest.mark.parametrize("method", [name for name in METHODS if name != "api.test"])
def test_malformed_arguments_are_refused_in_slack_s_words(
    web: WebClient, alice: User, general: Channel, method: str
) -> None:
    for arguments in NONSENSE:
        text = json.dumps(arguments).replace("{general}", general.id).replace("{alice}", alice.id)
        try:
            web.api_call(method, json=json.loads(text))
        except SlackApiError as refusal:
            assert "non-JSON" not in refusal.response["error"], text


def test_a_request_under_another_host_name_is_refused(sandbox: Sandbox) -> None:
    web = WebClient(
        token=sandbox.bot_token, base_url=sandbox.api_url, headers={"Host": "evil.example"}
    )
    with pytest.raises(SlackApiError, match="Invalid host"):
        web.auth_test()
