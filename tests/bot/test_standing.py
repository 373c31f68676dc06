"""Who somebody is decides what they may see and ask."""

from typing import Any

import pytest

from bot.access import Access
from bot.agents.types import AccessRule, Agent
from bot.replies import live
from bot.sandbox import Channel, Sandbox, User
from bot.slack.connection.checked_client import CheckedClient
from bot.slack.directory import Directory, Standing
from storage import Observability
from tests.support.conversations import StartBot, finished
from tests.support.fake_agent import Scripted, roster_with
from tests.support.traces_in_slack import ask


@pytest.fixture
def access(observability: Observability, sandbox: Sandbox) -> Access:
    client = CheckedClient(token=sandbox.bot_token, base_url=sandbox.api_url)
    return Access(Directory(client), observability.database, team=sandbox.team_id)


def test_members_guests_strangers_and_bots_are_told_apart(access: Access, sandbox: Sandbox) -> None:
    sam = sandbox.add_user("sam", external=True)
    standing = {
        user.name: access.standing(sandbox.team_id, user.id)
        for user in (
            sandbox.add_user("ann"),
            sandbox.add_user("gus", guest=True),
            sam,
            sandbox.add_bot("ci"),
        )
    }
    assert standing == {
        "ann": Standing.MEMBER,
        "gus": Standing.GUEST,
        "sam": Standing.STRANGER,
        "ci": Standing.BOT,
    }
    assert access.standing("T0OTHER", sandbox.add_user("bob").id) is Standing.STRANGER
    assert access.standing(sam.as_slack()["team_id"], sam.id) is Standing.STRANGER


@pytest.mark.parametrize(
    ("facts", "standing"),
    [
        ({"deleted": True}, Standing.UNKNOWN),
        ({"is_ultra_restricted": True}, Standing.GUEST),
        ({"team_id": "E0ORG"}, Standing.STRANGER),
        ({"is_stranger": True}, Standing.STRANGER),
        ({"team_id": "E0ORG", "enterprise_user": {"teams": ["T0SANDBOX1"]}}, Standing.MEMBER),
        ({"team_id": "T0FIRST", "enterprise_user": {"teams": ["T0SANDBOX1"]}}, Standing.MEMBER),
        ({"team_id": "E0ORG", "enterprise_user": {"teams": ["T0FIRST"]}}, Standing.STRANGER),
        ({"enterprise_user": {"teams": ["T0SANDBOX1"]}, "is_restricted": True}, Standing.GUEST),
        ({"team_id": None}, Standing.UNKNOWN),
        ({"team_id": None, "is_restricted": True}, Standing.UNKNOWN),
        ({"team_id": None, "enterprise_user": {"teams": ["T0FIRST"]}}, Standing.STRANGER),
    ],
)
def test_deactivated_users_and_those_of_an_enterprise_grid_are_told_apart(
    access: Access,
    sandbox: Sandbox,
    alice: User,
    monkeypatch: pytest.MonkeyPatch,
    facts: dict[str, Any],
    standing: Standing,
) -> None:
    plain = User.as_slack
    monkeypatch.setattr(User, "as_slack", lambda user: plain(user) | facts)
    assert access.standing(sandbox.team_id, alice.id) is standing


def test_a_deactivated_member_opens_no_channel_to_others(
    access: Access, general: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = User.as_slack
    monkeypatch.setattr(User, "as_slack", lambda user: plain(user) | {"deleted": True})
    assert access.is_shared(general.id) is False


@pytest.mark.parametrize(
    "body",
    [
        '{"ok": true}',
        '{"ok": true, "user": null}',
        '{"ok": true, "user": {}}',
        '{"ok": true, "user": {"id": "U1", "team_id": ["T1"]}}',
        '{"ok": true, "user": {"id": "U1", "enterprise_user": "E1"}}',
        "[]",
    ],
)
def test_nobody_is_a_member_while_slack_is_unwell(
    access: Access, sandbox: Sandbox, alice: User, body: str
) -> None:
    sandbox.faults.wrong_content("users.info", body=body)
    assert access.standing(sandbox.team_id, alice.id) is Standing.UNKNOWN
    sandbox.faults.rate_limit("users.info")
    assert access.standing(sandbox.team_id, alice.id) is Standing.UNKNOWN
    assert access.standing(sandbox.team_id, alice.id) is Standing.MEMBER


def test_a_question_from_another_organisation_is_recorded_for_our_workspace(
    start_bot: StartBot, sandbox: Sandbox, observability: Observability, alice: User
) -> None:
    """Slack Connect: the event's own `team_id` is that of the other organisation."""
    start_bot()
    stranger = sandbox.add_user("sam", external=True)
    shared = sandbox.add_channel("shared", [alice, stranger])
    question = sandbox.post(stranger, shared, f"{sandbox.mention} may I?")
    assert sandbox.events("app_mention")[0]["team_id"] != sandbox.team_id
    (trace, *_) = finished(observability, shared, question.ts)
    assert (trace.team, trace.audience) == (sandbox.team_id, sandbox.team_id)
    assert "may I?" in ask(sandbox, alice, shared, "ls --all")


def test_a_stream_names_the_workspace_of_the_person_who_asked(
    start_bot: StartBot, sandbox: Sandbox, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "QUICK_S", 0.0)
    agent = Scripted()
    rule = AccessRule(strangers=True)
    start_bot(
        roster_with({"a": Agent(name="a", providers=(agent,), access=rule)}, default="a"),
    )
    stranger = sandbox.add_user("sam", external=True)
    shared = sandbox.add_channel("shared", [alice, stranger])
    for number, person in enumerate((stranger, alice), 1):
        question = sandbox.post(person, shared, f"{sandbox.mention} may I?")
        agent.wait_until_asked()
        agent.say("The first half")
        *_, call = sandbox.wait_for_call("chat.startStream", count=number)
        assert call.arguments["recipient_team_id"] == person.team_id
        agent.end("The end")
        sandbox.wait_for_reaction(shared, question.ts, "white_check_mark")
