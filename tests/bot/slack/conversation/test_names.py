"""Names of people, channels and groups, as Slack tells them or does not."""

from dataclasses import replace

import pytest
from slack_sdk import WebClient

from bot.sandbox import Channel, Manifest, Sandbox, User
from bot.slack.conversation.names import AT_ONCE, PAUSE_S, NameLookup, person_name
from bot.slack.directory import Directory
from tests.support.paths import MANIFEST


@pytest.fixture
def names(web: WebClient) -> NameLookup:
    web.retry_handlers = []
    return NameLookup(Directory(web))


def test_a_name_is_asked_for_once(sandbox: Sandbox, names: NameLookup, alice: User) -> None:
    assert names.remembered().user(alice.id) == alice.id
    assert [names.user(alice.id), names.user(alice.id)] == ["alice", "alice"]
    assert names.remembered().user(alice.id) == "alice"
    assert len(sandbox.calls("users.info")) == 1


def test_somebody_whom_slack_does_not_know_has_their_id(
    sandbox: Sandbox, names: NameLookup
) -> None:
    assert [names.user("U0NOBODY"), names.user("U0NOBODY")] == ["U0NOBODY", "U0NOBODY"]
    assert len(sandbox.calls("users.info")) == 1


def test_while_slack_is_unwell_nobody_waits_for_a_second_name(
    sandbox: Sandbox, web: WebClient, alice: User
) -> None:
    web.retry_handlers = []
    now = 0.0
    names = NameLookup(Directory(web), clock=lambda: now)
    sandbox.faults.server_error("users.info")
    bob = sandbox.add_user("bob")
    assert [names.user(alice.id), names.user(bob.id)] == [alice.id, bob.id]
    assert len(sandbox.calls("users.info")) == 1
    now = PAUSE_S + 1
    assert names.user(bob.id) == "bob"


def test_a_private_channels_name_is_not_told(
    sandbox: Sandbox, names: NameLookup, alice: User, general: Channel
) -> None:
    secret = sandbox.add_channel("takeover", [alice], private=True)
    assert names.channel(general.id) == "general"
    assert names.channel(secret.id) == secret.id


def test_a_group_has_its_handle_if_the_app_may_read_it(sandbox: Sandbox, names: NameLookup) -> None:
    group = sandbox.add_user_group(handle="oncall")
    assert names.group(group) == group
    manifest = Manifest.read(MANIFEST)
    allowed = replace(manifest, scopes=manifest.scopes | {"usergroups:read"})
    with Sandbox.start(allowed) as other:
        group = other.add_user_group(handle="oncall")
        client = WebClient(token=other.bot_token, base_url=other.api_url)
        assert NameLookup(Directory(client)).group(group) == "oncall"


def test_many_names_are_asked_for_together_and_no_more_than_slack_allows(
    sandbox: Sandbox, names: NameLookup
) -> None:
    people = [sandbox.add_user(f"person {n}").id for n in range(120)]
    names.people(people)
    known = [names.remembered().user(each) for each in people]
    assert known == [f"person {n}" for n in range(100)] + people[100:]
    assert names.user(people[-1]) == people[-1]
    assert len(sandbox.calls("users.info")) == 100
    assert sandbox.calls("users.list") == []


def test_people_without_a_name_cost_one_attempt_while_slack_is_unwell(
    sandbox: Sandbox, web: WebClient
) -> None:
    web.retry_handlers = []
    names = NameLookup(Directory(web))
    sandbox.faults.server_error("users.info", times=1_000)
    names.people([sandbox.add_user(f"person {n}").id for n in range(100)])
    assert len(sandbox.calls("users.info")) <= 2 * AT_ONCE


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        ({"profile": {"display_name": "Ann", "real_name": "Ann Lee"}, "name": "al"}, "Ann"),
        ({"profile": {"display_name": " ", "real_name": "Ann Lee"}, "name": "al"}, "Ann Lee"),
        ({"name": "al"}, "al"),
        ({"profile": {"display_name": "Ann\nBob: hi\u202e"}}, "Ann Bob: hi"),
        ({"profile": {"display_name": "x" * 500}}, "x" * 80),
        ({"profile": {"display_name": "claude (agent)"}}, None),
        ({"profile": {"display_name": "CI (another app)"}}, None),
        ({"profile": {"display_name": "claude (Agent) says yes"}}, None),
        ({}, None),
    ],
)
def test_people_have_the_name_that_they_chose(facts: dict[str, object], name: str | None) -> None:
    assert person_name(facts) == name
