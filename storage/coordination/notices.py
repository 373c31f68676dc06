"""Notices: tell a bot's other processes what has changed, so that none uses an old copy of it.

Each notice is a row, and a process reads those that came since it looked last. Notices are posted
one at a time, on a server as well, so ids grow in the order of commits and none is passed over.
"""

from dataclasses import dataclass

from peewee import fn

from storage.database.base import Database
from storage.database.models import NoticeRow
from storage.database.statements import Statement
from storage.database.transactions import transaction

PATIENCE_S = 1.0
"""How long a notice waits for a locked database."""

KEPT_NS = 3_600 * 1_000_000_000
"""Longer than any copy is used: a process that could not read for so long has none any more."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A change of kind `topic` to what `key` names."""

    topic: str
    key: str


def post_notice(database: Database, notice: Notice, *, team: str, process: str, now: int) -> None:
    """Tell the other processes of the bot in a workspace."""
    row = {"topic": notice.topic, "key": notice.key, "process": process, "posted_at": now}
    with transaction(database, deadline=PATIENCE_S, of=["notices"]):
        # The newest one stays: SQLite would give its id to the next notice, which nobody would see.
        newest = NoticeRow.select(fn.MAX(NoticeRow.id)).scalar(database) or 0
        NoticeRow.delete().where(
            NoticeRow.posted_at < now - KEPT_NS, NoticeRow.id < newest
        ).execute(database)
        NoticeRow.insert(team=team, **row).execute(database)
        database.announce()


def notices_since(
    database: Database, last: int, *, team: str, process: str
) -> tuple[int, list[Notice]]:
    """Return the number of the newest notice, and those after *last* that others have posted."""
    ((newest,),) = NEWEST.fetch(database, ())
    if newest == last:  # As almost always: processes ask each second.
        return last, []
    # Of a database that was restored from a backup, all are new.
    after = last if newest > last else 0
    query = NoticeRow.select(NoticeRow.id, NoticeRow.topic, NoticeRow.key).where(
        NoticeRow.id > after, NoticeRow.team == team, NoticeRow.process != process
    )
    rows = list(query.order_by(NoticeRow.id).tuples().execute(database))
    # One may have come since the first query.
    return max([newest, *(id for id, *_ in rows)]), [Notice(topic, key) for _, topic, key in rows]


NEWEST = Statement(lambda database: "SELECT COALESCE(MAX(id), 0) FROM notices")
