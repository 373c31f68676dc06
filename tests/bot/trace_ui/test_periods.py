"""Buttons below statistics show another period in place of the first."""

from bot.sandbox import Channel, Sandbox, User
from storage import Observability
from tests.support.conversations import StartBot
from tests.support.traces_in_slack import asked, shown


def test_a_button_replaces_statistics_by_those_of_another_period(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    asked(sandbox, observability, alice, general, "hello")
    (first,) = sandbox.command(alice, general, "/trace", "stats --by agent")
    assert "last 7 days" in shown([first])
    sandbox.click(alice, first, "trace_run_24h", responses=1)
    (second,) = [each for each in sandbox.ephemerals(alice, general) if each.ts == first.ts]
    assert "last 24 hours, by agent" in shown([second])
    sandbox.click(alice, second, "trace_run_compare", responses=1)
    (third,) = [each for each in sandbox.ephemerals(alice, general) if each.ts == first.ts]
    assert "last 24 hours, by agent, compared with the period before" in shown([third])
    assert "1 new" in shown([third])
