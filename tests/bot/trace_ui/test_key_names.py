"""Statistics of /trace name users and channels as people know them."""

from bot.sandbox import Channel, Sandbox, User
from storage import Observability
from tests.support.conversations import StartBot
from tests.support.traces_in_slack import ask, asked


def test_statistics_name_users_and_channels(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    plans = sandbox.add_channel("plans", [alice], private=True)
    start_bot()
    direct = sandbox.open_dm(alice)
    for channel in (general, plans, direct):
        asked(sandbox, observability, alice, channel, "hello")
    assert "@alice" in ask(sandbox, alice, general, "stats --by user")
    before = len(sandbox.calls("conversations.info"))
    by_channel = ask(sandbox, alice, general, "stats --by channel")
    assert "#general" in by_channel
    assert "#plans" in by_channel
    # The channels' names came with the list of the bot's channels, which has no direct messages.
    assert len(sandbox.calls("conversations.info")) - before <= 1
    assert "direct messages" in by_channel
    assert direct.id not in by_channel
    bob = sandbox.add_user("bob")
    sandbox.join(bob, general)
    by_channel = ask(sandbox, bob, general, "stats --by channel")
    assert "#general" in by_channel
    assert "plans" not in by_channel
    assert "direct messages" not in by_channel
