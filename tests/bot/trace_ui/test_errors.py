"""Issues are resolved, muted and opened again where they are read."""

from bot.sandbox import Channel, Message, Sandbox, User
from storage import Observability
from storage.model.span import own_audience
from tests.support.conversations import StartBot
from tests.support.traces_in_slack import shown


def fail(observability: Observability, team: str, channel: str, **fields: str) -> None:
    place = {"team": team, "channel": channel, "audience": team, "platform": "slack", **fields}
    span = observability.start_span("slack message", {**place, "agent": "claude"}, kind="consumer")
    span.fail("timeout", "claude did not answer within 300 s.")
    span.end()
    assert observability.flush()


def press(sandbox: Sandbox, user: User, channel: Channel, message: Message, button: str) -> Message:
    sandbox.click(user, message, button, responses=1)
    (now,) = [each for each in sandbox.ephemerals(user, channel) if each.ts == message.ts]
    return now


def test_buttons_resolve_an_issue_which_returns_when_it_occurs_again(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    team = sandbox.team_id
    fail(observability, team, general.id)
    fail(observability, team, "D0BOB", audience=own_audience(team, "U0BOB"))
    (message,) = sandbox.command(alice, general, "/trace", "errors since:24h")
    assert ":new: new" in shown([message])
    assert "claude · once" in shown([message]), "what occurred in private is not counted"
    message = press(sandbox, alice, general, message, "trace_issue_resolve_0")
    assert "resolved by @alice just now" in shown([message])
    assert "last 24 hours" in shown([message]), "the same list is shown again"

    fail(observability, team, general.id)
    (again,) = sandbox.command(alice, general, "/trace", "errors since:24h")
    assert "back again" in shown([again])
    assert "claude · 2 times" in shown([again])
    again = press(sandbox, alice, general, again, "trace_issue_mute_0")
    assert "muted by @alice" in shown([again])
    again = press(sandbox, alice, general, again, "trace_issue_reopen_0")
    assert ":new: new" in shown([again])
