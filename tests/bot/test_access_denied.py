"""The access gate denies whatever it cannot establish, asked directly against Slack's Web API."""

from dataclasses import dataclass

import pytest
from peewee import Database
from slack_sdk import WebClient

from bot.access import Access
from bot.sandbox import Channel, Sandbox, User
from bot.slack.directory import Directory


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
    access: Access, sandbox: Sandbox, alice: User, trace: Trace
) -> None:
    assert access.may_see(trace, sandbox.team_id, alice.id)
    assert access.may_be_shown_in(trace, sandbox.team_id, "C0OTHER")


def test_a_trace_of_another_workspace_is_hidden(
    access: Access, sandbox: Sandbox, alice: User, general: Channel
) -> None:
    foreign = Trace("T0OTHER", general.id)
    assert not access.may_see(foreign, sandbox.team_id, alice.id)
    assert not access.may_see(foreign, "T0OTHER", alice.id)
    assert not access.may_be_shown_in(foreign, sandbox.team_id, general.id)
    assert access.audiences("T0OTHER", alice.id) == frozenset()


def test_a_trace_without_a_channel_is_hidden(access: Access, sandbox: Sandbox, alice: User) -> None:
    nowhere = Trace(sandbox.team_id, None, user=alice.id, audience=alice.id)
    assert not access.may_see(nowhere, sandbox.team_id, alice.id)
    assert not access.may_be_shown_in(nowhere, sandbox.team_id, "C0OTHER")


@pytest.mark.parametrize("method", ["users.info", "conversations.info"])
def test_a_trace_is_hidden_while_slack_does_not_answer(
    access: Access, sandbox: Sandbox, alice: User, trace: Trace, method: str
) -> None:
    sandbox.faults.error(method, "internal_error", times=50)
    assert not access.may_see(trace, sandbox.team_id, alice.id)


def test_a_trace_is_not_shared_while_slack_does_not_answer(
    access: Access, sandbox: Sandbox, trace: Trace
) -> None:
    sandbox.faults.error("conversations.info", "internal_error", times=50)
    assert not access.may_be_shown_in(trace, sandbox.team_id, "C0OTHER")
