"""The actions of people in the sandbox, and the events that the app is sent for them."""

from dataclasses import replace
from typing import Any

import pytest
from slack_sdk import WebClient

from bot.sandbox import Channel, Manifest, Sandbox, SandboxError, User
from tests.support.paths import MANIFEST


def told(sandbox: Sandbox) -> list[dict[str, Any]]:
    return [payload["event"] for payload in sandbox.events()]


def test_a_typed_message_has_a_client_id_and_rich_text(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    sandbox.post(alice, general, f"{sandbox.mention} is 1 &lt; 2?")
    event = told(sandbox)[0]
    assert event["client_msg_id"]
    assert event["blocks"][0]["elements"][0]["elements"] == [
        {"type": "user", "user_id": sandbox.bot_user_id},
        {"type": "text", "text": " is 1 < 2?"},
    ]


@pytest.mark.parametrize(("private", "kind"), [(False, "channel"), (True, "group")])
def test_an_event_names_the_kind_of_its_channel(
    sandbox: Sandbox, alice: User, private: bool, kind: str
) -> None:
    channel = sandbox.add_channel("room", [alice], private=private)
    sandbox.post(alice, channel, "hello")
    assert told(sandbox)[0]["channel_type"] == kind


def test_a_group_message_is_a_kind_of_channel(sandbox: Sandbox, alice: User) -> None:
    group = sandbox.open_dm(alice, sandbox.add_user("bob"))
    sandbox.post(alice, group, f"{sandbox.mention} hello")
    assert [event["type"] for event in told(sandbox)] == ["message", "app_mention"]
    assert told(sandbox)[0]["channel_type"] == "mpim"
    assert sandbox.open_dm(alice).id != group.id


def test_a_reply_names_its_thread_and_the_author_of_the_parent(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    bob = sandbox.add_user("bob")
    sandbox.join(bob, general)
    root = sandbox.post(alice, general, "root")
    reply = sandbox.post(bob, general, "reply", thread_ts=root.ts)
    (event,) = (each for each in told(sandbox) if each.get("ts") == reply.ts)
    assert (event["thread_ts"], event["parent_user_id"]) == (root.ts, alice.id)


def test_the_root_changes_with_each_reply_and_each_state_of_its_session(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel
) -> None:
    root = sandbox.post(alice, general, "root")
    place = {"channel_id": general.id, "thread_ts": root.ts}
    reply = sandbox.post(alice, general, "reply", thread_ts=root.ts)
    web.api_call("agents.sessions.setStatus", params={**place, "status": "processing"})
    sandbox.delete(alice, reply)
    changes = [each for each in told(sandbox) if each.get("subtype") == "message_changed"]
    assert [each["previous_message"] for each in changes[1:]] == [
        each["message"] for each in changes[:-1]
    ]
    replied, processing, deleted = (each["message"] for each in changes)
    assert "reply_count" not in changes[0]["previous_message"]
    assert (replied["text"], replied["latest_reply"]) == ("root", reply.ts)
    assert processing == replied | {"agent_session": {"status": "processing"}}
    assert "reply_count" not in deleted


def test_the_event_of_an_edit_has_both_versions(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    message = sandbox.post(alice, general, "secret")
    sandbox.edit(alice, message, "nothing")
    event = told(sandbox)[-1]
    assert event["subtype"] == "message_changed"
    assert event["message"]["text"] == "nothing"
    assert event["message"]["edited"]["user"] == alice.id
    assert event["previous_message"]["text"] == "secret"


def test_the_event_of_a_deletion_has_the_deleted_message(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    message = sandbox.post(alice, general, "secret")
    sandbox.delete(alice, message)
    event = told(sandbox)[-1]
    assert (event["subtype"], event["deleted_ts"]) == ("message_deleted", message.ts)
    assert sandbox.messages(general) == []


def test_a_deleted_parent_leaves_a_tombstone(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    root = sandbox.post(alice, general, "secret")
    sandbox.post(alice, general, "reply", thread_ts=root.ts)
    sandbox.delete(alice, root)
    event = told(sandbox)[-1]
    assert event["message"]["subtype"] == "tombstone"
    assert [message.text for message in sandbox.thread(general, root.ts)] == [
        "This message was deleted.",
        "reply",
    ]


def test_adding_and_removing_a_reaction_send_events(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    message = sandbox.post(alice, general, "hello")
    sandbox.react(alice, message, "thumbsup")
    sandbox.unreact(alice, message, "+1")
    added, removed = told(sandbox)[-2:]
    assert (added["type"], removed["type"]) == ("reaction_added", "reaction_removed")
    assert added["reaction"] == "+1"
    assert added["item"] == {"type": "message", "channel": general.id, "ts": message.ts}
    assert added["item_user"] == alice.id


def test_another_bot_s_message_names_the_bot(sandbox: Sandbox, general: Channel) -> None:
    modern, legacy = sandbox.add_bot("codex"), sandbox.add_bot("webhook", legacy=True)
    sandbox.join(modern, general)
    sandbox.join(legacy, general)
    metadata = {"event_type": "build", "event_payload": {"id": 1}}
    sandbox.post(modern, general, f"{sandbox.mention} done", metadata=metadata)
    sandbox.post(legacy, general, "done too")
    *_, first, mention, second = told(sandbox)  # After the events of the two who joined.
    assert first["bot_id"] == modern.bot_id
    assert first["bot_profile"]["name"] == "codex"
    assert first["metadata"] == metadata
    assert "subtype" not in first
    assert mention["type"] == "app_mention"
    assert (second["subtype"], second["username"]) == ("bot_message", "webhook")
    assert "user" not in second


def test_the_bot_s_own_message_sends_no_mention(
    sandbox: Sandbox, general: Channel, web: WebClient
) -> None:
    web.chat_postMessage(channel=general.id, text=f"I am {sandbox.mention}")
    (event,) = told(sandbox)
    assert event["bot_id"] == sandbox.bot_id


def test_a_person_of_another_workspace_is_marked(sandbox: Sandbox, web: WebClient) -> None:
    partner = sandbox.add_user("partner", external=True)
    shared = sandbox.add_channel("shared", [partner])
    sandbox.post(partner, shared, "hello")
    assert told(sandbox)[0]["user_team"] == partner.team_id != sandbox.team_id
    assert web.conversations_info(channel=shared.id)["channel"]["is_ext_shared"] is True


def test_an_action_that_slack_does_not_allow_is_refused(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    bob = sandbox.add_user("bob")
    message = sandbox.post(alice, general, "hello")
    with pytest.raises(SandboxError, match="not a member"):
        sandbox.post(bob, general, "let me in")
    sandbox.join(bob, general)
    with pytest.raises(SandboxError, match="may not change"):
        sandbox.delete(bob, message)
    with pytest.raises(SandboxError, match="no message"):
        sandbox.post(alice, general, "reply", thread_ts="1.000000")


def test_a_person_who_left_is_not_a_member(
    sandbox: Sandbox, alice: User, general: Channel, web: WebClient
) -> None:
    sandbox.leave(alice, general)
    assert web.conversations_members(channel=general.id)["members"] == [sandbox.bot_user_id]


def test_the_event_of_opening_the_app_names_the_tab(sandbox: Sandbox, alice: User) -> None:
    sandbox.open_home(alice, tab="messages")
    (event,) = told(sandbox)
    assert (event["type"], event["tab"]) == ("app_home_opened", "messages")
    assert event["channel"] == sandbox.open_dm(alice).id


def test_the_stop_button_exists_only_while_a_session_is_processing(
    sandbox: Sandbox, alice: User, general: Channel, web: WebClient
) -> None:
    root = sandbox.post(alice, general, "work")
    with pytest.raises(SandboxError, match="not processing"):
        sandbox.stop_agent(alice, general, root.ts)
    where = {"channel_id": general.id, "thread_ts": root.ts}
    web.api_call("agents.sessions.setStatus", json=where | {"status": "processing"})
    sandbox.stop_agent(alice, general, root.ts)
    event = told(sandbox)[-1]
    assert event["type"] == "agent_session_stopped"
    assert (event["thread_ts"], event["streaming_message_ts"]) == (root.ts, [])


def test_a_wait_that_times_out_lists_the_messages(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    root = sandbox.post(alice, general, "anyone?")
    with pytest.raises(TimeoutError, match=r"anyone\?"):
        sandbox.wait_for_reply(general, root.ts, timeout=0.01)


def test_an_app_may_say_all_in_attachments(
    sandbox: Sandbox, general: Channel, web: WebClient
) -> None:
    grafana = sandbox.add_bot("grafana")
    sandbox.join(grafana, general)
    alert = {"color": "#f00", "fallback": "CPU high", "title": "CPU high", "text": "97 %"}
    posted = sandbox.post(grafana, general, attachments=[alert])
    event = told(sandbox)[-1]
    assert (event["text"], event["attachments"]) == ("", [alert])
    (read,) = web.conversations_replies(channel=general.id, ts=posted.ts)["messages"]
    assert read["attachments"] == [alert]


def test_a_forwarded_message_is_an_attachment_with_its_author_text_link_and_files(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    bob = sandbox.add_user("bob")
    sandbox.join(bob, general)
    log = ("app.log", "text/plain", b"boom")
    message = sandbox.post(bob, general, "it broke", files=[log])
    forwarded = sandbox.forward(alice, message, sandbox.open_dm(alice))
    (attachment,) = told(sandbox)[-1]["attachments"]
    assert forwarded.text == ""
    assert attachment["is_share"] and attachment["is_msg_unfurl"]
    assert (attachment["author_name"], attachment["text"]) == ("bob", "it broke")
    assert attachment["from_url"].endswith(f"/archives/{general.id}/p{message.ts.replace('.', '')}")
    assert [file["name"] for file in attachment["files"]] == ["app.log"]


def test_a_message_that_somebody_links_to_is_shown_a_moment_later_if_they_may_see_it(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    bob = sandbox.add_user("bob")
    open_, secret = (sandbox.add_channel(f"ops-{p}", [bob], private=p) for p in (False, True))
    links = [
        sandbox._slack.workspace.permalink(sandbox.post(bob, each, "it broke"))
        for each in (open_, secret)
    ]
    sandbox.post(alice, general, " ".join(f"<{link}>" for link in links))
    posted, changed = told(sandbox)[-2:]
    assert "attachments" not in posted
    assert changed["subtype"] == "message_changed"
    (preview,) = changed["message"]["attachments"]
    assert (preview["from_url"], preview["text"]) == (links[0], "it broke")
    assert preview["is_msg_unfurl"] and "is_share" not in preview


def test_a_voice_clip_is_written_down_after_it_was_posted(
    sandbox: Sandbox, alice: User, general: Channel, web: WebClient
) -> None:
    clip = sandbox.add_file(alice, "audio_message.m4a", "audio/mp4", b"", subtype="slack_audio")
    message = sandbox.post(alice, general, files=[clip])
    assert told(sandbox)[-1]["files"][0]["transcription"] == {"status": "processing"}
    sandbox.transcribe(message, "Hello")
    file = web.files_info(file=clip.id)["file"]
    assert file["transcription"]["preview"] == {"content": "Hello", "has_more": False}
    assert file["vtt"].startswith(sandbox.base)


def test_a_preview_changes_a_message_but_not_its_text(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    message = sandbox.post(alice, general, "see <https://e.example>")
    sandbox.unfurl(message, {"from_url": "https://e.example", "title": "Example"})
    event = told(sandbox)[-1]
    assert event["subtype"] == "message_changed"
    assert event["message"]["text"] == event["previous_message"]["text"] == message.text
    assert [each["title"] for each in event["message"]["attachments"]] == ["Example"]
    assert "edited" not in event["message"]


def test_user_groups_are_listed_with_their_handles() -> None:
    manifest = Manifest.read(MANIFEST)
    allowed = replace(manifest, scopes=manifest.scopes | {"usergroups:read"})
    with Sandbox.start(allowed) as sandbox:
        group = sandbox.add_user_group(sandbox.add_user("bob"), handle="oncall")
        client = WebClient(token=sandbox.bot_token, base_url=sandbox.api_url)
        (found,) = client.usergroups_list()["usergroups"]
        assert (found["id"], found["handle"]) == (group, "oncall")
