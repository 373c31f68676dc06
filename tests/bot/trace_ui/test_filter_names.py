"""Filters of /trace name channels, users and agents as people know them."""

import pytest

from bot.sandbox import Channel, Sandbox, User
from storage import Observability
from tests.support.conversations import StartBot
from tests.support.traces_in_slack import ask, asked


@pytest.fixture
def bob(sandbox: Sandbox) -> User:
    return sandbox.add_user("Bob Ross")


FILTERS = {
    "ls --channel #general": "apples",
    "ls --channel general": "apples",
    "ls channel:#General": "apples",
    "ls --channel <#{general}|general>": "apples",
    "ls --channel #random": "pears",
    "ls --user @alice": "apples",
    "ls user:@BOB": "pears",
    "ls --user <@{bob}>": "pears",
    "ls user:me": "apples",
    "ls --user @Bob Ross pears": "pears",
    "ls --user\u00a0@bob": "pears",
    "search channel:#random agent:@echo": "pears",
    "ls user:@bob duration&lt;9h": "pears",
}


def test_filters_are_understood_by_name(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    bob: User,
    general: Channel,
) -> None:
    random = sandbox.add_channel("random", [alice, bob])
    start_bot()
    asked(sandbox, observability, alice, general, "apples")
    asked(sandbox, observability, bob, random, "pears")
    for command, wanted in FILTERS.items():
        shown = ask(sandbox, alice, general, command.format(general=general.id, bob=bob.id))
        assert [word for word in ("apples", "pears") if word in shown] == [wanted], command


def test_a_name_is_understood_in_each_form_of_unicode(
    sandbox: Sandbox, observability: Observability, start_bot: StartBot, alice: User
) -> None:
    zoe = sandbox.add_user("Zoe\u0308")
    cafe = sandbox.add_channel("cafe\u0301", [alice, zoe])
    start_bot()
    asked(sandbox, observability, alice, cafe, "apples")
    asked(sandbox, observability, zoe, cafe, "pears")
    shown = ask(sandbox, alice, cafe, "ls user:@Zo\u00eb channel:#caf\u00e9")
    assert "pears" in shown
    assert "apples" not in shown


def test_unknown_names_are_explained(
    sandbox: Sandbox, start_bot: StartBot, alice: User, general: Channel
) -> None:
    for name in ("Twin One", "Twin Two"):
        sandbox.add_user(name)
    start_bot()
    for command, said in (
        ("ls --channel #nowhere", "I am in no channel #nowhere that you can see"),
        ("ls --user @nobody", "@nobody is not the name of anybody in this workspace"),
        ("ls --user @twin", "@twin is the name of several people in this workspace"),
    ):
        assert said in ask(sandbox, alice, general, command)


def test_a_private_channel_has_no_name_for_those_who_are_not_in_it(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    bob: User,
    general: Channel,
) -> None:
    board = sandbox.add_channel("board", [bob], private=True)
    start_bot()
    asked(sandbox, observability, bob, board, "the merger")
    for name in ("board", "bored"):
        said = ask(sandbox, alice, general, f"ls --channel #{name}")
        assert f"I am in no channel #{name} that you can see" in said
    assert "the merger" in ask(sandbox, bob, board, "ls --channel #board")


def test_a_guest_is_told_nothing_of_names(
    sandbox: Sandbox, start_bot: StartBot, general: Channel
) -> None:
    guest = sandbox.add_user("gus", guest=True)
    sandbox.join(guest, general)
    start_bot()
    for command in ("ls --channel #general", "ls --channel #nowhere", "ls --user @nobody"):
        assert "Only full members" in ask(sandbox, guest, general, command)
