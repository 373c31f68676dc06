"""Keep what a batch adds to statistics as facts, and add facts up into the rollups a second later.

A batch changes hundreds of rollups, most of which the next batch changes again. So it only stores
its facts: one row for each hour, key and audience. A writer then adds up the facts of all processes
(`storage.store.deferred`), sorted by key, so that a rollup changes once and not once in each batch,
and in short transactions that let others write. Statistics read the facts that wait together with
the rollups.
"""

import math
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence

from storage.database.base import Database
from storage.database.models import FactRow
from storage.database.statements import LookUp, Statement, compiled, insert
from storage.database.transactions import transaction
from storage.model.span import team_of
from storage.store.grains import grains_of
from storage.store.histogram import listed, listed_values
from storage.store.rollups import SUMS, Addition, Key, add, sums_of, with_days

FACTS_A_TRANSACTION = 400
"""They change up to 1,200 rollups, in about 8 ms.

With fewer, others wait less, but each transaction writes most pages of the table of facts again:
with 200 the same facts take a third more time in all, with 800 a tenth less.
"""

FACTS_ON_SERVER = 1_000
"""The same on a server, where others do not wait: half the time for each fact."""

READ = 20_000
"""Facts that are sorted together."""

ROLLUPS = "rollups"
"""All that `transaction` names here: who stores batches only adds facts."""

LONGEST_PAUSE_S = 0.005
"""How long the others get at most, after a transaction of that length."""

FIELDS = ("starts_at", "dimension", "key", "audience", "team", *SUMS, "latency")


def add_facts(database: Database, hours: Mapping[Key, Addition]) -> None:
    """Store what a batch adds, in its transaction."""
    INSERT.execute_many(
        database,
        [
            (
                *key[1:],
                team_of(key[4]),
                *sums_of(added),
                listed(added.durations) if added.durations else None,
            )
            for key, added in hours.items()
        ],
    )


def merge_facts(
    database: Database, *, until: float = math.inf, deadline: float | None = None
) -> bool:
    """Add facts up into the rollups. Return False if the monotonic time `until` came first.

    Waits for other writers for at most `deadline` seconds in each transaction.
    """
    at_once = FACTS_ON_SERVER if database.on_server else FACTS_A_TRANSACTION
    while ids := WAITING.fetch(database, ()):
        for start in range(0, len(ids), at_once):
            began = time.monotonic()
            if began > until:
                return False
            with transaction(database, deadline=deadline, of=(ROLLUPS,)):
                _merge(database, ids[start : start + at_once])
            # A process that begins its next transaction at once leaves the others no moment.
            time.sleep(min(time.monotonic() - began, LONGEST_PAUSE_S))
    return True


def merge_all(database: Database) -> None:
    """Add all facts up into the rollups, in the caller's transaction."""
    while ids := WAITING.fetch(database, ()):
        _merge(database, ids)


def facts_waiting(database: Database) -> int:
    return int(FactRow.select().count(database))


def _merge(database: Database, ids: Sequence[Sequence[int]]) -> None:
    hours: defaultdict[Key, Addition] = defaultdict(Addition)
    # What is deleted now is added, whatever it was when the ids were read: another process may have
    # added up some of these facts since, and SQLite may have given their ids to new ones.
    for starts_at, dimension, key, audience, _, *sums, latency in TAKE.rows(database, ids):
        durations = listed_values(bytes(latency)) if latency else []
        fact = Addition(*(*sums, durations))
        hours["hour", starts_at, dimension, key, audience].add(fact)
    add(database, with_days(hours, grains_of(database)))


INSERT = Statement(lambda database: compiled(insert(FactRow, FIELDS), database))
TAKE = LookUp(
    f"DELETE FROM facts WHERE id {{is_one}} RETURNING {', '.join(FIELDS)}",
    types=("bigint",),
    at_a_time=100,
)
WAITING = Statement(
    lambda database: f"SELECT id FROM facts ORDER BY dimension, key, starts_at LIMIT {READ}"
)
