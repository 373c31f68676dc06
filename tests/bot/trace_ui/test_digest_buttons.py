"""The buttons below a digest: All errors, Change and Off, and who may press them."""

import time
from collections.abc import Mapping

import pytest

from bot.lifecycle import Bot
from bot.sandbox import Channel, Message, Sandbox, User
from reports.render.block_kit import DIGEST_CHANGE, DIGEST_OFF, RUN
from storage import Observability
from storage.coordination.digest_subscriptions import Subscription, subscribe, subscriptions
from storage.model.span import own_audience
from storage.queries.traces import recent_traces
from tests.support.conversations import StartBot, eventually
from tests.support.traces_in_slack import in_modal, shown

DAY_NS = 86_400 * 1_000_000_000


@pytest.fixture
def bot(start_bot: StartBot) -> Bot:
    return start_bot()


def posted(bot: Bot, sandbox: Sandbox, observability: Observability, channel: Channel) -> Message:
    """Post the digest of a day with a failed turn in the channel, and return it."""
    private = channel.kind == "group"
    audience = own_audience(sandbox.team_id, channel.id) if private else sandbox.team_id
    facts = {"team": sandbox.team_id, "audience": audience, "decision": "answer"}
    facts |= {"channel": channel.id, "agent": "echo", "platform": "slack", "text": "why?"}
    span = observability.start_span("slack message", facts, kind="consumer")
    span.fail("crash", "it exited with 1")
    span.end()
    assert observability.flush()
    tomorrow = time.time_ns() + DAY_NS
    subscribe(
        observability.database,
        Subscription(sandbox.team_id, channel.id, "00:00", "UTC", "U1", created_at=1),
    )
    assert bot.scheduler._digests.send_due(now=tomorrow) == 1
    return sandbox.messages(channel)[-1]


def schedule(observability: Observability) -> list[tuple[str, str, str, str]]:
    found = subscriptions(observability.database)
    return [(each.days, each.local_time, each.time_zone, each.quiet) for each in found]


def inputs(days: str, at: str, zone: str, *, quiet: bool = False) -> Mapping[str, object]:
    chosen = [{"value": "silence"}] if quiet else []
    return {
        "days": {"days": {"type": "static_select", "selected_option": {"value": days}}},
        "time": {"time": {"type": "timepicker", "selected_time": at}},
        "zone": {"zone": {"type": "plain_text_input", "value": zone}},
        "quiet": {"quiet": {"type": "checkboxes", "selected_options": chosen}},
    }


def test_all_errors_are_shown_to_one_person_and_the_digest_stays(
    bot: Bot, sandbox: Sandbox, observability: Observability, alice: User, general: Channel
) -> None:
    digest = posted(bot, sandbox, observability, general)
    before = sandbox.messages(general)
    answers = sandbox.click(alice, digest, f"{RUN}_errors", responses=1)
    assert "crash" in shown(answers)
    assert all(answer.ephemeral_to == alice.id for answer in answers)
    assert sandbox.messages(general) == before


def test_change_opens_a_form_and_saves_it(
    bot: Bot, sandbox: Sandbox, observability: Observability, alice: User, general: Channel
) -> None:
    digest = posted(bot, sandbox, observability, general)
    form = in_modal(sandbox, alice, lambda: sandbox.click(alice, digest, DIGEST_CHANGE))
    assert "'initial_time': '00:00'" in form and "'initial_value': 'UTC'" in form
    refused = sandbox.submit(alice, inputs("daily", "09:30", "Berlin"))
    assert refused and "not a time zone" in refused["errors"]["zone"]
    assert not sandbox.submit(alice, inputs("fri", "09:30", "Europe/Berlin", quiet=True))
    sandbox.wait_until(lambda: any(m.ephemeral_to for m in sandbox._workspace.ephemerals))
    assert schedule(observability) == [("fri", "09:30", "Europe/Berlin", "silence")]
    assert "each Friday at 09:30" in shown(sandbox._workspace.ephemerals[-1:])


def test_off_ends_the_digest_and_leaves_the_message(
    bot: Bot, sandbox: Sandbox, observability: Observability, alice: User, general: Channel
) -> None:
    digest = posted(bot, sandbox, observability, general)
    answers = sandbox.click(alice, digest, DIGEST_OFF, responses=1)
    assert "The digest is off" in shown(answers)
    assert schedule(observability) == []
    assert sandbox.messages(general)[-1].blocks == digest.blocks


def test_who_left_a_private_channel_cannot_change_its_digest(
    bot: Bot, sandbox: Sandbox, observability: Observability, alice: User
) -> None:
    bob = sandbox.add_user("bob")
    board = sandbox.add_channel("board", [alice, bob], private=True)
    digest = posted(bot, sandbox, observability, board)
    form = in_modal(sandbox, bob, lambda: sandbox.click(bob, digest, DIGEST_CHANGE))
    assert "'initial_time'" in form
    sandbox.leave(bob, board)
    sandbox.settle()
    assert not sandbox.submit(bob, inputs("fri", "09:30", "UTC"))

    def was_handled() -> bool:
        observability.flush()
        found = recent_traces(observability.database, skipped=True).traces
        return ("/trace digest", "error") in [(each.name, each.status) for each in found]

    eventually(was_handled)
    assert schedule(observability) == [("daily", "00:00", "UTC", "line")]
