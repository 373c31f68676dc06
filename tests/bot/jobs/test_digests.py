"""Digests: the command, when they are due, what they contain, and that each is posted once."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from peewee import Database

from bot.jobs.digests import DIGEST_EVENT, Digests
from bot.lifecycle import Bot
from bot.sandbox import Channel, Message, Sandbox, User
from reports.digest.order import Order, parse_order
from reports.errors import UsageError
from reports.periods import due, period_before
from reports.views.digest import DigestView
from reports.views.views import View
from storage import Observability
from storage.coordination.digest_subscriptions import Subscription, subscribe, subscriptions
from storage.model.span import own_audience
from storage.recovery.opening import open_database
from tests.support.factories import ALICE, GENERAL, NOW, SECRET, TEAM, FixedSight, record_an_hour

SECOND = 1_000_000_000
HOUR = 3_600 * SECOND


def at(words: str, zone: str = "UTC") -> int:
    """Return a local time in nanoseconds since the epoch."""
    return int(datetime.fromisoformat(words).replace(tzinfo=ZoneInfo(zone)).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("words", "order"),
    [
        ("now", Order("now")),
        ("off", Order("off")),
        ("here at 09:00", Order("at", "09:00")),
        ("at 9:05", Order("at", "09:05")),
        ("Here At 23.59 Europe/Berlin", Order("at", "23:59", "Europe/Berlin")),
    ],
)
def test_the_command_is_parsed(words: str, order: Order) -> None:
    assert parse_order(words.split()) == order


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "That is not a digest command"),
        ("here", "That is not a digest command"),
        ("at 24:00", "'24:00' is not a time of day"),
        ("at noon", "'noon' is not a time of day"),
        ("at 09:00 Berlin", "'Berlin' is not a time zone"),
        ("at 09:00 ../../etc/passwd", "is not a time zone"),
        ("at 09:00 Europe/Berlin please", "That is not a digest command"),
    ],
)
def test_a_wrong_command_is_refused_with_the_right_form(words: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_order(words.split())


def subscription(zone: str = "Europe/Berlin", *, created_at: int = 1) -> Subscription:
    return Subscription(TEAM, GENERAL, "02:30", zone, ALICE, created_at)


def test_a_digest_is_due_from_its_local_time_on() -> None:
    before, after = at("2026-01-15T02:29:59", "Europe/Berlin"), at("2026-01-15T01:30:00")
    assert due(subscription(), now=before) is None
    assert str(due(subscription(), now=after)) == "2026-01-15"


def test_a_subscription_made_after_todays_time_starts_tomorrow() -> None:
    noon = at("2026-01-15T12:00:00", "Europe/Berlin")
    assert due(subscription(created_at=noon), now=noon + HOUR) is None
    assert str(due(subscription(created_at=noon), now=noon + 15 * HOUR)) == "2026-01-16"


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_a_digest_is_due_once_on_days_when_the_clock_changes(day: str) -> None:
    """02:30 does not exist on the one day, and comes twice on the other."""
    minutes = range(at(f"{day}T00:00:00", "Europe/Berlin"), at(f"{day}T06:00:00"), 60 * SECOND)
    dates = [str(found) for now in minutes if (found := due(subscription(), now=now))]
    assert set(dates) == {day}
    assert len(dates) > 100  # Once it is due it stays due, until it is claimed.


@pytest.mark.parametrize(("day", "hours"), [("2026-03-30", 23), ("2026-10-26", 25)])
def test_yesterday_has_23_or_25_hours_when_the_clock_changed(day: str, hours: int) -> None:
    today = datetime.fromisoformat(day).date()
    period = period_before(today, days="daily", time_zone="Europe/Berlin")
    since, until = period.window
    assert until - since == hours * HOUR


class Posts:
    """A channel that remembers what was posted to it."""

    def __init__(self) -> None:
        self.posted: list[tuple[str, View, str]] = []

    def post(self, channel: str, view: View, key: str) -> None:
        self.posted.append((channel, view, key))

    def was_posted(self, channel: str, key: str) -> bool:
        return any(key == known for _, _, known in self.posted)


def digests(database: Database, posts: Posts) -> Digests:
    return Digests(
        database,
        post=posts.post,
        posted=posts.was_posted,
        team=TEAM,
        workspace="https://acme.slack.com/",
        sight_in=lambda team, channel: FixedSight(frozenset({team})),
    )


def test_a_digest_contains_only_what_the_channels_members_may_see(
    observability: Observability,
) -> None:
    record_an_hour(observability)
    view = digests(observability.database, Posts()).last_24_hours(
        FixedSight(frozenset({TEAM})), now=NOW
    )
    assert [(line.key, line.traces, line.errors) for line in view.agents] == [("claude", "2", "1")]
    assert [line.note for line in view.failed] == ["claude did not answer within 30 s."]
    assert view.left == "1 message was not answered because another bot was mentioned."
    members = FixedSight(frozenset({TEAM, own_audience(TEAM, SECRET)}))
    secret = digests(observability.database, Posts()).last_24_hours(members, now=NOW)
    assert secret.agents[0].traces == "3"


def test_a_digest_of_a_day_without_turns_says_so(database: Database) -> None:
    assert digests(database, Posts()).last_24_hours(FixedSight(frozenset({TEAM})), now=NOW).quiet


def test_processes_that_race_post_a_digest_once(database: Database, db_path: Path) -> None:
    subscribe(database, subscription("UTC"))
    posts, now = Posts(), at("2026-01-15T02:30:00")
    gate = threading.Barrier(6)

    def send() -> None:
        own = open_database(db_path)
        gate.wait()
        digests(own, posts).send_due(now=now)
        own.close()

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(posts.posted) == 1
    assert isinstance(posts.posted[0][1], DigestView)
    assert posts.posted[0][1].title == "What the agents did on Wednesday, 14 January"
    assert digests(database, posts).send_due(now=now + HOUR) == 0
    assert digests(database, posts).send_due(now=now + 24 * HOUR) == 1


class Crash(Exception):
    """The process dies here."""


@pytest.mark.parametrize("posted", [False, True], ids=["before posting", "after posting"])
def test_a_digest_of_a_process_that_died_is_posted_once_by_another(
    database: Database, posted: bool
) -> None:
    subscribe(database, subscription("UTC"))
    posts, now = Posts(), at("2026-01-15T02:30:00")

    def die(channel: str, view: View, key: str) -> None:
        if posted:
            posts.post(channel, view, key)
        raise Crash

    dying = Digests(
        database,
        team=TEAM,
        workspace="https://acme.slack.com/",
        post=die,
        posted=posts.was_posted,
        sight_in=lambda team, channel: FixedSight(frozenset({team})),
    )
    with pytest.raises(Crash):
        dying.send_due(now=now)
    assert digests(database, posts).send_due(now=now + 60 * SECOND) == 0, "the lease still runs"
    digests(database, posts).send_due(now=now + HOUR)
    assert len(posts.posted) == 1


def shown(message: Message) -> str:
    return str(message.blocks)


def test_a_channel_that_subscribes_gets_one_digest_until_it_unsubscribes(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: Callable[..., Bot],
    alice: User,
    general: Channel,
) -> None:
    bots = [start_bot(), start_bot()]
    (answer,) = sandbox.command(alice, general, "/trace", "digest here at 09:00")
    assert "each day at 09:00 (Europe/Berlin)" in shown(answer)
    (kept,) = subscriptions(observability.database)
    tomorrow = datetime.fromtimestamp(kept.created_at / SECOND, UTC).date().toordinal() + 1
    nine = at(f"{datetime.fromordinal(tomorrow):%Y-%m-%d}T09:00:01", "Europe/Berlin")
    for bot in bots:
        bot.scheduler.tick(now=nine)
    digest = sandbox.wait_for_message(general)
    assert digest.metadata["event_type"] == DIGEST_EVENT
    assert len([m for m in sandbox.messages(general) if m.metadata]) == 1
    (answer,) = sandbox.command(alice, general, "/trace", "digest off")
    assert "The digest is off." in shown(answer)
    assert not subscriptions(observability.database)


@pytest.mark.parametrize("fault", ["archived", "time zone"])
def test_a_channel_that_can_have_no_digest_keeps_no_other_from_its_own(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: Callable[..., Bot],
    alice: User,
    general: Channel,
    fault: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bot, channels = start_bot(), {general.id: general}
    channels |= {each.id: each for each in [sandbox.add_channel("other", [alice])]}
    for channel in channels.values():
        sandbox.command(alice, channel, "/trace", "digest here at 00:00 UTC")
    first, second = subscriptions(observability.database)
    if fault == "archived":
        sandbox.archive(channels[first.channel])
    else:
        subscribe(observability.database, replace(first, time_zone="Mars/X"))
    bot.scheduler.tick(now=second.created_at + 86_400 * SECOND)
    sandbox.wait_for_message(channels[second.channel])
    assert f"Nothing is posted in {first.channel} yet" in caplog.text
    assert not [each for each in caplog.records if each.exc_info]


def test_a_channel_without_the_bot_gets_no_digest_and_is_told_why(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: Callable[..., Bot],
    alice: User,
) -> None:
    start_bot()
    elsewhere = sandbox.add_channel("elsewhere", [alice], with_bot=False)
    (answer,) = sandbox.command(alice, elsewhere, "/trace", "digest here at 09:00")
    assert "Invite me with /invite" in shown(answer)
    assert not subscriptions(observability.database)


@pytest.mark.usefixtures("sandbox")
def test_a_digest_now_is_shown_only_to_its_requester(
    sandbox: Sandbox, start_bot: Callable[..., Bot], alice: User, general: Channel
) -> None:
    start_bot()
    (answer,) = sandbox.command(alice, general, "/trace", "digest now")
    assert "last 24 hours" in shown(answer)
    assert not [m for m in sandbox.messages(general) if m.user == sandbox.bot_user_id]


@pytest.mark.parametrize(
    ("words", "days", "quiet"),
    [
        ("here daily at 09:00", "daily", "line"),
        ("here weekdays at 09:00 Europe/Berlin", "weekdays", "line"),
        ("here weekly mon at 09:00", "mon", "line"),
        ("here weekly at 09:00", "mon", "line"),
        ("Here Weekly on Fridays at 9.00 UTC Quiet", "fri", "silence"),
        ("at 09:00 quiet", "daily", "silence"),
    ],
)
def test_days_and_silence_are_parsed(words: str, days: str, quiet: str) -> None:
    order = parse_order(words.split())
    assert (order.local_time, order.days, order.quiet) == ("09:00", days, quiet)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("here weekly weekdays at 09:00", "weekly digest comes on one day"),
        ("here mon fri at 09:00", "daily, on weekdays or on one day"),
        ("here weekly", "not a digest command"),
        ("quiet", "not a time of day"),
    ],
)
def test_days_that_make_no_sense_are_refused(words: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_order(words.split())


@pytest.mark.parametrize(
    ("days", "due_on"),
    [
        ("daily", ["01-12", "01-13", "01-14", "01-15", "01-16", "01-17", "01-18"]),
        ("weekdays", ["01-12", "01-13", "01-14", "01-15", "01-16"]),
        ("wed", ["01-14"]),
    ],
)
def test_a_digest_is_due_on_its_days_and_caught_up_until_midnight(
    days: str, due_on: list[str]
) -> None:
    """2026-01-12 is a Monday."""
    wanted = replace(subscription(), days=days)
    for time_of_day in ("02:30:00", "23:59:59"):
        moments = (at(f"2026-01-{day}T{time_of_day}", "Europe/Berlin") for day in range(12, 19))
        found = [due(wanted, now=now) for now in moments]
        assert [f"{day:%m-%d}" for day in found if day] == due_on


def test_nothing_is_posted_of_a_day_without_turns_if_that_is_wanted(database: Database) -> None:
    posts, now = Posts(), at("2026-01-15T02:30:00")
    subscribe(database, replace(subscription("UTC"), quiet="silence"))
    assert digests(database, posts).send_due(now=now) == 0
    subscribe(database, subscription("UTC"))
    assert digests(database, posts).send_due(now=now + HOUR) == 0, "the day was settled"
    assert digests(database, posts).send_due(now=now + 24 * HOUR) == 1
