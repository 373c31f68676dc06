"""What a reader sees of the database's health: facts, and what to do about one that is not well."""

from collections.abc import Callable
from dataclasses import dataclass

from reports import formatting
from storage.health import Health

WAL_LIMIT = 256_000_000
DISK_LOW, DISK_LEAST = 500_000_000, 100_000_000
RECOVERY_SHOWN_NS = 7 * 24 * 3_600 * 1_000_000_000

BAD, WARNING = "✗", "⚠"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """`fact` is the name of the fact that is marked with it; `advice` says what to do."""

    mark: str
    fact: str
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthView:
    facts: tuple[tuple[str, str], ...]
    problems: tuple[Problem, ...]
    health: Health

    @property
    def ok(self) -> bool:
        return not self.problems


@dataclass(frozen=True, slots=True)
class Rule:
    fact: str
    mark: str
    broken: Callable[[Health, int], bool]
    advice: str


RULES = (
    Rule(
        "Check",
        BAD,
        lambda health, now: health.check is not None and not health.check.ok,
        "the file was damaged and has been replaced: tracebot health checks it again",
    ),
    Rule(
        "Damaged",
        WARNING,
        lambda health, now: any(
            not found.finished or (not found.complete and found.at > now - RECOVERY_SHOWN_NS)
            for found in health.recoveries
        ),
        "what could not be read is in the file that was moved aside, beside the database: restore "
        "a backup (tracebot restore FILE), or delete it when it is not needed",
    ),
    Rule(
        "Log",
        WARNING,
        lambda health, now: health.wal_size > WAL_LIMIT,
        "a reader keeps the log from being emptied: end tracebot commands and other programs that "
        "have had the file open for long, then tracebot checkpoint --truncate",
    ),
    Rule(
        "Disk free",
        BAD,
        lambda health, now: health.disk_free < DISK_LEAST,
        "make room, or remove old traces (tracebot clean --older-than 30d): until then what is "
        "recorded waits in the spool, and then is lost",
    ),
    Rule(
        "Disk free",
        WARNING,
        lambda health, now: DISK_LEAST <= health.disk_free < DISK_LOW,
        "make room, or keep less: TRACEBOT_RETENTION, tracebot clean",
    ),
    Rule(
        "Waiting",
        WARNING,
        lambda health, now: health.spool_files > 0,
        "the database could not take it; the next process that records stores it",
    ),
    Rule(
        "Dropped",
        BAD,
        lambda health, now: health.dropped > 0,
        "more was recorded than the database and the spool could take: see the log for the cause",
    ),
)


def health_view(found: Health, *, now: int, private: bool) -> HealthView:
    """`private`: for a channel, where no path of the machine is shown."""
    problems = tuple(
        Problem(mark=rule.mark, fact=rule.fact, advice=rule.advice)
        for rule in RULES
        if rule.broken(found, now)
    )
    marks = {problem.fact: f"{problem.mark} " for problem in problems}
    facts = tuple((name, marks.get(name, "") + value) for name, value in _facts(found, now))
    shown = facts[1:] if private else facts
    return HealthView(facts=shown, problems=problems, health=found)


def _facts(found: Health, now: int) -> list[tuple[str, str]]:
    """The path comes first."""

    def when(ns: int | None) -> str:
        return formatting.ago(ns, now=now) if ns else "never"

    facts = [
        ("Database", found.path),
        ("Size", formatting.size(found.size)),
        ("Log", formatting.size(found.wal_size)),
        ("Disk free", formatting.size(found.disk_free)),
        ("Traces", f"{found.traces:,} of {found.spans:,} spans, {found.running:,} running"),
        ("Oldest", when(found.oldest)),
        ("Newest", when(found.newest)),
        ("Check", _check(found, now)),
        ("Checkpoint", _checkpoint(found, now)),
        ("Backup", when(found.backup.at if found.backup else None)),
        ("Waiting", _waiting(found)),
        ("Dropped", f"{found.dropped:,} in the last 24 h, {found.write_failures:,} writes failed"),
        ("Migrations", f"{len(found.migrations)}, up to {max(found.migrations, default='none')}"),
        ("SQLite", found.sqlite_version),
    ]
    return [*facts, *_recoveries(found, now)]


def _check(found: Health, now: int) -> str:
    if found.check is None:
        return "never"
    ago = formatting.ago(found.check.at, now=now)
    if not found.check.ok:
        return f"damaged, {ago}: {formatting.shortened(found.check.finding, 120)}"
    return f"ok, {ago}" if found.check.finished else f"nothing found in the time there was, {ago}"


def _checkpoint(found: Health, now: int) -> str:
    if found.checkpoint is None:
        return "never"
    ago = formatting.ago(found.checkpoint.at, now=now)
    return f"complete, {ago}" if found.checkpoint.ok else f"not complete, {ago}"


def _waiting(found: Health) -> str:
    if not found.spool_files:
        return "nothing"
    files = "1 file" if found.spool_files == 1 else f"{found.spool_files} files"
    return f"{files} in the spool, {formatting.size(found.spool_size)}"


def _recoveries(found: Health, now: int) -> list[tuple[str, str]]:
    said = []
    for recovery in found.recoveries[:1]:
        saved = f"{recovery.saved.get('spans', 0):,} spans saved"
        lost = recovery.lost.get("spans")
        lost_words = "nobody knows how many lost" if lost is None else f"{lost:,} lost"
        how = f"{saved}, {lost_words}" if recovery.finished else f"{saved} so far"
        ago = formatting.ago(recovery.at, now=now)
        said.append(("Damaged", f"{ago}: {how}; the rest is in {recovery.file}"))
    return said
