"""The rules of a healthy database: when each is broken, and what to do then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storage.health import Health

WAL_LIMIT = 256_000_000
"""Bytes of a write-ahead log that somebody keeps from being emptied."""

LITESTREAM_WAL_LIMIT = 600_000_000
"""Litestream empties a log only from 121,359 pages (497 MB) on, by its default setting."""

FACTS_LIMIT = 100_000
"""Figures that wait to be added up: a query of statistics reads all of them."""

DISK_LOW, DISK_LEAST = 500_000_000, 100_000_000
"""Free bytes of the disk: few, and too few to record."""

RECOVERY_SHOWN_NS = 7 * 24 * 3_600 * 1_000_000_000
"""How long a loss that is final is shown."""

MOVE_SHOWN_NS = 30 * 24 * 3_600 * 1_000_000_000
"""How long it is a problem that a move has not finished: by then somebody wants it so."""

BAD, WARNING = "✗", "⚠"


@dataclass(frozen=True, slots=True)
class Rule:
    """A fact is marked with `mark` if `broken(health, now)` is true."""

    fact: str
    mark: str
    broken: Callable[[Health, int], bool]
    advice: str


RULES = (
    Rule(
        "Check",
        BAD,
        lambda health, now: health.check is not None and not health.check.ok,
        "the file was damaged and has been replaced: run tracebot health to check it again",
    ),
    Rule(
        "Damaged",
        WARNING,
        lambda health, now: any(
            not found.finished or (not found.complete and found.at > now - RECOVERY_SHOWN_NS)
            for found in health.recoveries
        ),
        "the rest is in the damaged file, which was moved aside next to the database: restore a "
        "backup (tracebot restore FILE), or delete the damaged file if you do not need it",
    ),
    Rule(
        "Copy",
        WARNING,
        lambda health, now: (health.unfinished_move or 0) > now - MOVE_SHOWN_NS,
        "traces of the old database are missing here: run the same tracebot move again, before "
        "anything is recorded here, or use the old database until then",
    ),
    Rule(
        "Set aside",
        WARNING,
        lambda health, now: health.unerased > 0,
        "they may still hold text that was erased since then: delete those that you do not need "
        "(next to the database, with .damaged-, .replaced- or .orphan- in their names, or in its "
        "spool; tracebot forget prints the command)",
    ),
    Rule(
        "Log",
        WARNING,
        lambda health, now: (health.wal_size or 0) > log_limit(health),
        "a reader prevents the log from being emptied: end programs that have had the database "
        "open for a long time, then run tracebot checkpoint --truncate",
    ),
    Rule(
        "Litestream",
        WARNING,
        lambda health, now: health.litestream is not None and health.litestream.is_late(now),
        "it has stopped, or still follows a database that was replaced since it started: start it "
        "again, and its log says more; if you do not use it any more, delete the folder whose name "
        "ends in -litestream beside the database",
    ),
    Rule(
        "Litestream",
        WARNING,
        lambda health, now: (
            health.litestream is not None
            and health.litestream.is_stuck
            and not health.litestream.is_late(now)
        ),
        "its log says why the replica cannot be reached; until then the copies fill this disk",
    ),
    Rule(
        "Disk free",
        BAD,
        lambda health, now: health.disk_free is not None and health.disk_free < DISK_LEAST,
        "free disk space, or remove old traces (tracebot clean --older-than 30d): until then new "
        "spans wait in the spool, and are lost when that is full",
    ),
    Rule(
        "Disk free",
        WARNING,
        lambda health, now: DISK_LEAST <= (health.disk_free or 0) < DISK_LOW,
        "free disk space, or keep fewer traces: set TRACEBOT_RETENTION, or run tracebot clean",
    ),
    Rule(
        "Waiting",
        WARNING,
        lambda health, now: health.spool_files > 0,
        "the database could not store these spans: the next process that records stores them",
    ),
    Rule(
        "Figures",
        WARNING,
        lambda health, now: health.facts > FACTS_LIMIT,
        "statistics are slow until the figures are added up: the next process that records does "
        "it, and its log says why if it cannot",
    ),
    Rule(
        "Dropped",
        BAD,
        lambda health, now: health.dropped > 0,
        "more was recorded than the database and the spool could store: the log says why",
    ),
    Rule(
        "Slack",
        WARNING,
        lambda health, now: not all(each.ok for each in health.connections),
        "a running bot tries again by itself, and its log says more; start one that ended, and "
        "check its setup with tracebot doctor",
    ),
    Rule(
        "Withheld",
        WARNING,
        lambda health, now: health.rate_limited > 0,
        "Slack delivers at most 30,000 events in an hour to one app: remove the bot from busy "
        "channels that do not need it",
    ),
)


def log_limit(found: Health) -> int:
    """Return how many bytes of write-ahead log are too many."""
    return WAL_LIMIT if found.litestream is None else LITESTREAM_WAL_LIMIT


def problems_of(found: Health, *, now: int) -> dict[str, bool]:
    """Return the facts whose rules are broken; True if it is bad, False if it is a warning."""
    broken = [rule for rule in RULES if rule.broken(found, now)]
    return {rule.fact: rule.mark == BAD for rule in broken}
