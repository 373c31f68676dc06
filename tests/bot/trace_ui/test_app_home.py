"""The app's Home tab shows its user's own traces and statistics, and no other person's."""

from typing import Any

import pytest

from bot.sandbox import Channel, Sandbox, SandboxError, User
from storage import Observability
from tests.support.conversations import StartBot, finished


def home(sandbox: Sandbox, user: User) -> list[Any]:
    """Open the tab and return its blocks once they are published."""
    count = len(sandbox.calls("views.publish"))
    sandbox.open_home(user)
    sandbox.wait_for_call("views.publish", count=count + 1)
    blocks: list[Any] = sandbox.home(user)["blocks"]
    return blocks


def test_the_home_tab_shows_its_users_traces_statistics_and_help(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    bob = sandbox.add_user("bob")
    sandbox.join(bob, general)
    for user, text in ((alice, "alices question"), (bob, "bobs question")):
        question = sandbox.post(user, general, f"{sandbox.mention} {text}")
        finished(observability, general, question.ts)
    blocks = home(sandbox, alice)
    assert "alices question" in str(blocks)
    assert "bobs question" not in str(blocks)
    assert "Statistics of the" in str(blocks)
    assert "/trace show" in str(blocks)
    assert not [block for block in blocks if block["type"] == "actions" or "accessory" in block]


def test_the_home_tab_shows_no_traces_to_a_guest(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    guest = sandbox.add_user("guest", guest=True)
    sandbox.join(guest, general)
    question = sandbox.post(guest, general, f"{sandbox.mention} a guests question")
    finished(observability, general, question.ts)
    assert "guests question" not in str(home(sandbox, guest))


def test_the_messages_tab_publishes_nothing(
    sandbox: Sandbox, start_bot: StartBot, alice: User
) -> None:
    start_bot()
    sandbox.open_home(alice, tab="messages")
    sandbox.settle()
    home(sandbox, sandbox.add_user("bob"))
    with pytest.raises(SandboxError):
        sandbox.home(alice)


def test_the_home_tab_shows_who_may_ask_which_agent(
    sandbox: Sandbox, start_bot: StartBot, alice: User
) -> None:
    bob, guest = sandbox.add_user("bob"), sandbox.add_user("gus", guest=True)
    start_bot(
        f"""
        [agents.echo]
        provider = "echo"
        [agents.builder]
        provider = "echo"
        mode = "execute"
        access = {{ people = ["{alice.id}"], channels = ["C0123456789", "direct"] }}
        """
    )
    rule = (
        f"of full members only <@{alice.id}>; in <#C0123456789>, direct messages; not where guests "
        "or other organisations can read"
    )
    shown = [block["text"]["text"] for block in home(sandbox, alice)[-3:]]
    assert shown == [
        "*Who may ask*",
        "*echo* (query): full members",
        f"*builder* (execute): {rule}",
    ]
    assert f"*builder* (execute): {rule} (not you)" in str(home(sandbox, bob))
    theirs = str(home(sandbox, guest))
    assert "*builder* (execute): not you, because guests may not ask this agent" in theirs
    assert alice.id not in theirs


def test_a_guest_who_may_ask_is_not_told_who_else_may(
    sandbox: Sandbox, start_bot: StartBot, alice: User
) -> None:
    guest, other = sandbox.add_user("gus", guest=True), sandbox.add_user("gil", guest=True)
    start_bot(
        f"""
        [access]
        guests = ["{guest.id}", "{other.id}"]
        channels = ["C0123456789"]
        [agents.echo]
        provider = "echo"
        [agents.builder]
        provider = "echo"
        access = {{ people = ["{alice.id}", "{guest.id}"] }}
        [agents.private]
        provider = "echo"
        access = {{ people = ["{alice.id}"] }}
        """
    )
    blocks = home(sandbox, guest)
    assert [block["text"]["text"] for block in blocks[-3:-1]] == [
        "*echo* (query): you",
        "*builder* (query): you",
    ]
    assert blocks[-1]["text"]["text"].startswith("*private* (query): not you, because")
    for hidden in (alice.id, other.id, "C0123456789"):
        assert hidden not in str(blocks)
