"""Buttons below statistics show another period in place of the first."""

import json

import pytest

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


@pytest.mark.parametrize(("zone", "taken"), [("Mars/X", "UTC"), ("asia/seoul", "Asia/Seoul")])
def test_a_time_zone_that_this_machine_does_not_know_keeps_nobody_from_an_answer(
    sandbox: Sandbox, start_bot: StartBot, alice: User, general: Channel, zone: str, taken: str
) -> None:
    start_bot()
    facts = {"id": alice.id, "team_id": sandbox.team_id, "tz": zone}
    sandbox.faults.answer("users.info", json.dumps({"ok": True, "user": facts}), times=10)
    for words in ("stats --by hour", "digest here at 09:00"):
        (answer,) = sandbox.command(alice, general, "/trace", words)
        assert f"({taken})" in shown([answer])
