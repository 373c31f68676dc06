"""The health of the database as text: facts, and what to do about each broken rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports import formatting
from reports.views.health_rules import RULES

if TYPE_CHECKING:
    from storage.health import Connection, Health
    from storage.upkeep.litestream import Replication

UNINDEXED_SHOWN = 2_000
CONNECTION_STATES = {
    "connected": "connected",
    "not connected": "not connected",
    "stopped": "the bot was stopped",
    "gone": "the bot ended without being stopped",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A broken rule. `fact` names the fact that is marked; `advice` says what to do."""

    mark: str
    fact: str
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthView:
    """The facts and problems as text; `health` are the raw values."""

    facts: tuple[tuple[str, str], ...]
    problems: tuple[Problem, ...]
    health: Health

    @property
    def ok(self) -> bool:
        return not self.problems

    @property
    def verdict(self) -> str:
        """Return the sentence that says if somebody has to act."""
        if self.ok:
            return "All is well."
        many = f"{len(self.problems)} problems" if len(self.problems) > 1 else "1 problem"
        return f"{many}: {', '.join(problem.fact for problem in self.problems)}"


def health_view(found: Health, *, now: int, private: bool) -> HealthView:
    """Check the rules. `private` leaves out the path of the database, for Slack."""
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
    """Return pairs of a name and a value; the path of the database is the first."""

    def when(ns: int | None, missing: str = "never") -> str:
        return formatting.ago(ns, now=now) if ns else missing

    spans = "1 span" if found.spans == 1 else f"{found.spans:,} spans"
    facts = [
        ("Database", found.path),
        ("Size", formatting.size(found.size)),
        *_disk(found),
        ("Traces", f"{found.traces:,} with {spans}, {found.running:,} running"),
        ("Oldest", when(found.oldest, "none")),
        ("Newest", when(found.newest, "none")),
        *_care(found, now),
        ("Waiting", _waiting(found)),
        ("Figures", f"{found.facts:,} to be added up"),
        ("Dropped", f"{found.dropped:,} in the last 24 h, {found.write_failures:,} writes failed"),
        ("Refused", _by_cause(found.refused)),
        ("Migrations", f"{len(found.migrations)}, up to {max(found.migrations, default='none')}"),
        _engine(found),
    ]
    if found.litestream:
        facts.append(("Litestream", _litestream(found.litestream, now)))
    if found.cut:
        facts.append(("Cut", f"{_by_cause(found.cut)} (of received telemetry)"))
    if found.connections:
        states = (_connection(each, now) for each in found.connections)
        facts.append(("Slack", "; ".join(states)))
    if found.unindexed >= UNINDEXED_SHOWN:
        waiting = f"{found.unindexed:,} traces are still to be added to the index of words"
        facts.append(("Search", f"{waiting}: until then, searches are slower"))
    if found.unerased:
        files = f"{found.unerased:,} file{'' if found.unerased == 1 else 's'}"
        facts.append(("Set aside", f"{files}, before somebody erased text"))
    if found.rate_limited:
        minutes = f"the events of {found.rate_limited:,} min in the last 24 h, by Slack"
        facts.append(("Withheld", minutes))
    return [*facts, *_copy(found, now), *_recoveries(found, now)]


def _copy(found: Health, now: int) -> Iterator[tuple[str, str]]:
    if found.unfinished_move is not None:
        ago = formatting.ago(found.unfinished_move, now=now)
        yield "Copy", f"unfinished, tracebot move stopped {ago}"


def _disk(found: Health) -> Iterator[tuple[str, str]]:
    """Yield what a server does not tell."""
    if found.wal_size is not None:
        yield "Log", formatting.size(found.wal_size)
    if found.disk_free is not None:
        yield "Disk free", formatting.size(found.disk_free)


def _care(found: Health, now: int) -> Iterator[tuple[str, str]]:
    """Yield how tracebot looked after the file. A server does so by itself."""
    if found.postgres_version is not None:
        return
    yield "Check", _check(found, now)
    yield "Checkpoint", _checkpoint(found, now)
    yield "Backup", formatting.ago(found.backup.at, now=now) if found.backup else "never"


def _engine(found: Health) -> tuple[str, str]:
    if found.postgres_version is not None:
        return "PostgreSQL", found.postgres_version
    return "SQLite", found.sqlite_version or "unknown"


def _check(found: Health, now: int) -> str:
    if found.check is None:
        return "never"
    ago = formatting.ago(found.check.at, now=now)
    if not found.check.ok:
        return f"damaged, {ago}: {formatting.shortened(found.check.finding, 120)}"
    return f"ok, {ago}" if found.check.finished else f"ok as far as it got in its time limit, {ago}"


def _checkpoint(found: Health, now: int) -> str:
    if found.litestream is not None and not found.litestream.is_late(now):
        return "left to Litestream"
    if found.checkpoint is None:
        return "never"
    ago = formatting.ago(found.checkpoint.at, now=now)
    return f"complete, {ago}" if found.checkpoint.ok else f"incomplete, {ago}"


def _litestream(found: Replication, now: int) -> str:
    copied = f"last copied {formatting.ago(found.copied_at, now=now)}"
    if found.waiting_since is None or not found.is_late(now):
        if found.kept_since is None or not found.is_stuck:
            return f"replicates this database, {copied}"
        kept = formatting.ago(found.kept_since, now=now)
        return f"copies of the last hours wait beside the database, first {kept}"
    waiting = formatting.ago(found.waiting_since, now=now)
    return f"{copied}: what was recorded after that, first {waiting}, is in no replica"


def _waiting(found: Health) -> str:
    if not found.spool_files:
        return "nothing"
    files = "1 file" if found.spool_files == 1 else f"{found.spool_files} files"
    return f"{files} in the spool, {formatting.size(found.spool_size)}"


def _by_cause(counts: Mapping[str, int]) -> str:
    causes = "".join(f", {number:,} {cause}" for cause, number in counts.items())
    return f"{sum(counts.values()):,} in the last 24 h{causes}"


def _connection(found: Connection, now: int) -> str:
    said = f"{CONNECTION_STATES[found.state]}, {formatting.ago(found.at, now=now)}"
    return f"{said}: {formatting.shortened(found.problem, 120)}" if found.problem else said


def _recoveries(found: Health, now: int) -> list[tuple[str, str]]:
    said = []
    for recovery in found.recoveries[:1]:
        saved = f"{recovery.saved.get('spans', 0):,} spans saved"
        lost = recovery.lost.get("spans")
        lost_spans = "an unknown number lost" if lost is None else f"{lost:,} lost"
        how = f"{saved}, {lost_spans}" if recovery.finished else f"{saved} so far"
        ago = formatting.ago(recovery.at, now=now)
        said.append(("Damaged", f"{ago}: {how}; the rest is in {recovery.file}"))
    return said
