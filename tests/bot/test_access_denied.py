"""The access gate denies whatever it cannot establish, asked directly against Slack's Web API."""

from dataclasses import dataclass

import pytest
from peewee import Database
from slack_sdk import WebClient

from bot.access import Access
from bot.sandbox import Channel, Sandbox, User
from bot.slack.directory import Directory
from bot.slack.errors import SLACK_ERRORS


@dataclass(frozen=True)
class Trace:
    """The part of a trace that decides who may see it."""

    team: str | None
    channel: str | None
    user: str | None = None
    audience: str | None = None


@pytest.fixture
def access(sandbox: Sandbox, web: WebClient, database: Database) -> Access:
    return Access(Directory(web), database, team=sandbox.team_id)


@pytest.fixture
def trace(sandbox: Sandbox) -> Trace:
    """Return a trace of a public channel that nobody has joined."""
    return Trace(sandbox.team_id, sandbox.add_channel("news", []).id, audience=sandbox.team_id)


def test_a_member_sees_a_trace_of_a_public_channel(
    access: Access, sandbox: Sandbox, alice: User, general: Channel, trace: Trace
) -> None:
    assert access.sight(sandbox.team_id, alice.id).may_see(trace)
    assert access.sight_in(sandbox.team_id, general.id).may_see(trace)


@pytest.mark.parametrize("audience", ["T0OTHER", "T0OTHER/{channel}", "T0OTHER/{user}", None])
def test_a_trace_of_another_workspace_is_hidden(
    access: Access, sandbox: Sandbox, alice: User, general: Channel, audience: str | None
) -> None:
    audience = audience and audience.format(channel=general.id, user=alice.id)
    foreign = Trace("T0OTHER", general.id, user=alice.id, audience=audience)
    assert not access.sight(sandbox.team_id, alice.id).may_see(foreign)
    assert not access.sight("T0OTHER", alice.id).may_see(foreign)
    assert not access.sight_in(sandbox.team_id, general.id).may_see(foreign)
    assert not access.sight_in("T0OTHER", general.id).may_see(foreign)


@pytest.mark.parametrize("audience", ["{team}", "{channel}", "{user}", "", None])
def test_a_trace_without_a_channel_or_a_known_audience_is_hidden(
    access: Access, sandbox: Sandbox, alice: User, general: Channel, audience: str | None
) -> None:
    audience = audience and audience.format(team=sandbox.team_id, channel=general.id, user=alice.id)
    nowhere = Trace(sandbox.team_id, None, user=alice.id, audience=audience)
    assert not access.sight(sandbox.team_id, alice.id).may_see(nowhere)
    assert not access.sight_in(sandbox.team_id, general.id).may_see(nowhere)


@pytest.mark.parametrize("methods", [["users.info"], ["conversations.info", "users.conversations"]])
def test_a_trace_is_hidden_while_slack_does_not_answer(
    access: Access, sandbox: Sandbox, alice: User, trace: Trace, methods: list[str]
) -> None:
    for method in methods:
        sandbox.faults.error(method, "internal_error", times=50)
    sight = access.sight(sandbox.team_id, alice.id)
    assert not sight.may_see(trace)
    assert sight.note


def test_a_trace_is_not_shared_while_slack_does_not_answer(
    access: Access, sandbox: Sandbox, general: Channel
) -> None:
    sandbox.faults.error("conversations.info", "internal_error", times=50)
    with pytest.raises(SLACK_ERRORS):
        access.sight_in(sandbox.team_id, general.id)


def test_a_button_works_for_nobody_while_slack_does_not_tell_who_reads_its_channel(
    access: Access, sandbox: Sandbox, alice: User, trace: Trace
) -> None:
    sight = access.sight(sandbox.team_id, alice.id)
    assert trace.channel
    sandbox.faults.error("conversations.info", "internal_error", times=50)
    with pytest.raises(SLACK_ERRORS):
        access.is_reader(trace.channel, sight)


def test_another_process_hears_that_a_guest_can_read_a_channel(
    access: Access,
    sandbox: Sandbox,
    web: WebClient,
    database: Database,
    general: Channel,
    trace: Trace,
) -> None:
    assert access.sight_in(sandbox.team_id, general.id).may_see(trace)
    guest = sandbox.add_user("gus", guest=True)
    sandbox.join(guest, general)
    other = Access(Directory(web), database, team=sandbox.team_id)
    other.follow({"type": "member_joined_channel", "user": guest.id, "channel": general.id})
    assert not access.sight_in(sandbox.team_id, general.id).may_see(trace)
