"""Store which channels want a digest, and when."""

from dataclasses import asdict, dataclass
from typing import Literal

from storage.database.base import Database
from storage.database.models import SubscriptionRow
from storage.database.transactions import transaction

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

Quiet = Literal["line", "silence"]
"""How to post if nothing happened: one line, or nothing."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A channel's digest at `local_time` (HH:MM) in `time_zone` (an IANA name).

    `days` is `daily`, `weekdays`, or the day of a weekly one: `mon`.
    """

    team: str
    channel: str
    local_time: str
    time_zone: str
    created_by: str
    created_at: int = 0
    days: str = "daily"
    quiet: Quiet = "line"


def subscribe(database: Database, subscription: Subscription) -> None:
    """Store a channel's subscription. It replaces an earlier one."""
    row = asdict(subscription)
    with transaction(database):
        SubscriptionRow.insert(**row).on_conflict(
            conflict_target=[SubscriptionRow.team, SubscriptionRow.channel],
            update=row,
        ).execute(database)


def unsubscribe(database: Database, *, team: str, channel: str) -> bool:
    """End a channel's subscription; return False if it had none."""
    delete = SubscriptionRow.delete().where(
        SubscriptionRow.team == team, SubscriptionRow.channel == channel
    )
    with transaction(database):
        return bool(delete.execute(database))


def subscriptions(database: Database) -> tuple[Subscription, ...]:
    columns = [getattr(SubscriptionRow, name) for name in Subscription.__dataclass_fields__]
    query = SubscriptionRow.select(*columns).order_by(SubscriptionRow.team, SubscriptionRow.channel)
    return tuple(Subscription(**row) for row in query.dicts().execute(database))
