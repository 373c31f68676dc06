"""Slack Connect and Enterprise Grid, and posts whose author is not plain, as Slack sends them."""

from typing import Any

import pytest
from slack_bolt import Ack
from slack_sdk import WebClient

from bot.sandbox import Channel, Sandbox, SandboxError, User
from tests.support.bolt_app import running


def test_an_event_of_a_shared_channel_is_sent_once_for_each_company(sandbox: Sandbox) -> None:
    partner = sandbox.add_user("partner", external=True)
    shared = sandbox.add_channel("shared", [partner])
    sandbox.post(partner, shared, "hello")
    theirs, ours = sandbox.events("message")
    assert (theirs["team_id"], ours["team_id"]) == (partner.team_id, sandbox.team_id)
    assert theirs["event"] == ours["event"]
    assert theirs["event_id"] != ours["event_id"]
    for payload in (theirs, ours):
        assert payload["context_team_id"] == sandbox.team_id
        assert payload["authorizations"][0]["team_id"] == sandbox.team_id
        assert payload["is_ext_shared_channel"] is True


def test_a_click_of_another_company_names_that_company(sandbox: Sandbox, web: WebClient) -> None:
    partner = sandbox.add_user("partner", external=True)
    shared = sandbox.add_channel("shared", [partner])
    button = {"type": "button", "action_id": "go", "text": {"type": "plain_text", "text": "Go"}}
    blocks = [{"type": "actions", "elements": [button]}]
    web.chat_postMessage(channel=shared.id, text="go?", blocks=blocks)
    clicked: list[dict[str, Any]] = []

    def listen(ack: Ack, body: dict[str, Any]) -> None:
        ack()
        clicked.append(body)

    with running(sandbox, lambda app: app.action("go")(listen)):
        sandbox.click(partner, sandbox.messages(shared)[0], "go")
    assert clicked[0]["team"]["id"] == clicked[0]["user"]["team_id"] == partner.team_id


def test_a_member_of_a_grid_is_named_with_another_workspace(
    sandbox: Sandbox, web: WebClient
) -> None:
    ann = sandbox.add_user("ann", home="E0ORG")
    facts = web.users_info(user=ann.id)["user"]
    assert facts["team_id"] == "E0ORG"
    assert facts["enterprise_user"]["teams"] == [sandbox.team_id]


def test_an_installation_for_an_organisation_names_no_workspace(
    sandbox: Sandbox, web: WebClient
) -> None:
    assert web.auth_test()["is_enterprise_install"] is False
    sandbox.install_for_organisation()
    answer = web.auth_test()
    assert answer["is_enterprise_install"] is True
    assert answer["team_id"] == answer["enterprise_id"] != sandbox.team_id


def test_a_post_through_a_user_token_has_a_person_and_a_bot(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    calendar = sandbox.add_bot("calendar")
    sandbox.post(alice, general, f"{sandbox.mention} hello", through=calendar)
    message, mention = (each["event"] for each in sandbox.events())
    for event in (message, mention):
        assert (event["user"], event["bot_id"]) == (alice.id, calendar.bot_id)
        assert "subtype" not in event
        assert "client_msg_id" not in event
        assert "user_id" not in event["bot_profile"]


def test_a_mention_by_a_workflow_has_no_user(sandbox: Sandbox, general: Channel) -> None:
    workflow = sandbox.add_bot("Daily report", legacy=True)
    sandbox.join(workflow, general)
    sandbox.post(workflow, general, f"{sandbox.mention} write it")
    event = sandbox.events("app_mention")[0]["event"]
    assert (event["bot_id"], event["username"]) == (workflow.bot_id, "Daily report")
    assert event["subtype"] == "bot_message"
    assert "user" not in event


def test_each_edit_of_a_mention_is_a_mention_again(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    message = sandbox.post(alice, general, "hello")
    sandbox.edit(alice, message, f"{sandbox.mention} hello")
    sandbox.edit(alice, message, f"{sandbox.mention} hello again")
    kinds = [(each["event"]["type"], each["event"].get("subtype")) for each in sandbox.events()]
    changed, mention = ("message", "message_changed"), ("app_mention", None)
    assert kinds == [("message", None), changed, mention, changed, mention]
    event = sandbox.events("app_mention")[0]["event"]
    assert event["ts"] == message.ts
    assert event["edited"]["user"] == alice.id


def test_nobody_posts_through_an_app_into_a_channel_that_they_are_not_in(
    sandbox: Sandbox, general: Channel
) -> None:
    with pytest.raises(SandboxError, match="not a member"):
        sandbox.post(sandbox.add_user("bob"), general, "hi", through=sandbox.add_bot("ci"))
