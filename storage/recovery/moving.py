"""Move a database to another one, from a file to a server or back, while others write to it.

A pass makes the target the same as the source, a piece at a time. Passes are repeated until one of
them finds hardly a change. What is written meanwhile is for the next run: the last one is made when
nobody records any more.

Rows are copied as they are, and not recorded again: rollups have counted them already. Until the
move is over nobody else writes to the target, which is how an interrupted move knows that it may
remove what the source does not have.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from storage.coordination.heartbeats import heartbeats
from storage.coordination.process_identity import is_alive, is_local
from storage.database.base import Database
from storage.database.lock_files import locked
from storage.database.models import HeartbeatRow, ProcessRow, RollupRow, TraceRow
from storage.database.transactions import transaction
from storage.errors import MoveError
from storage.model.erasure import Erasure
from storage.recovery.known_backups import note_backup
from storage.recovery.move_check import differences, row_counts
from storage.recovery.moved_tables import RECORDS, TOGETHER, MovedTable
from storage.recovery.table_pieces import Changes, Piece, copy, explained, of_traces, pieces, summed
from storage.store.erasure_log import append, erasure_log, erasures_from
from storage.store.search_index import add_all, purge
from storage.store.shared_erasures import known_since, mark_applied, share
from storage.upkeep.erasure import apply_pending, erasures_journal, reached
from storage.upkeep.journal import MOVE, JournalEntry, add_entry, entries, last_entry, put_entry

FEW = 5_000
"""After a pass that changed no more rows than that, another one would find about as many."""

MOST_PASSES = 10
TRACES_AT_ONCE = 100

Progress = Callable[[str, int, int], object]
"""Called with a table, how many of its rows a pass has compared, and how many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """Both databases before a run: how many spans are `there` in the new one, and in the old one.

    `resumed` is True if an earlier run has begun to copy.
    """

    resumed: bool
    there: int
    spans: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """The result of a run. `rows` are those of the source by table.

    `differences` are sentences. `recording` are processes that still write to the old database.
    """

    written: int
    removed: int
    passes: int
    seconds: float
    rows: dict[str, int] = field(default_factory=dict)
    differences: tuple[str, ...] = ()
    recording: tuple[str, ...] = ()


@contextmanager
def begin_move(source: Database, target: Database) -> Iterator[Beginning]:
    """Hold the target for one process, and check that it may be written. Raises `MoveError`."""
    if source.path == target.path:
        raise MoveError(f"{target.label} is the database itself: name another one with --to.")
    try:
        with locked(target.path.with_name(f"{target.path.name}.moving"), patience=0):
            _refuse_damage(source)
            entry = _refuse_others(source, target)
            # As a backup, each is kept from the agents of the other, whose forget names it.
            if not target.on_server:
                note_backup(source.path, target.path)
            if not source.on_server:
                note_backup(target.path, source.path)
            counts = [row_counts(database)["spans"] for database in (target, source)]
            yield Beginning(resumed=entry is not None, there=counts[0], spans=counts[1])
    except BlockingIOError:
        raise MoveError(
            f"Another process is moving a database to {target.label}: wait until it has finished."
        ) from None


def move(source: Database, target: Database, *, progress: Progress) -> Moved:
    """Make the target the same as the source, within `begin_move`. Raises `MoveError`."""
    began, total, passes = time.monotonic(), Changes(), 0
    _follow_erasures(source, target)
    while passes < MOST_PASSES:
        before = source.version()
        changes = _pass(source, target, progress)
        passes += 1
        _add(total, changes)
        if changes.written + changes.removed <= FEW or source.version() == before:
            break
    progress("search index", 0, 0)
    with explained(target):
        purge(target)  # What was removed must not stay in the index.
        add_all(target)
    progress("check", 0, 0)
    moved = Moved(
        written=total.written,
        removed=total.removed,
        passes=passes,
        seconds=time.monotonic() - began,
        rows=row_counts(source),
        differences=differences(source, target),
        recording=_recording(source),
    )
    if not (moved.differences or moved.recording):
        _note_complete(source, target)
    return moved


def _note_complete(source: Database, target: Database) -> None:
    entry = JournalEntry(name=MOVE, at=time.time_ns(), ok=True, details={"source": source.label})
    with explained(target):
        add_entry(target, entry)


def _refuse_damage(source: Database) -> None:
    with explained(source):
        for entry in entries(source, "recovery:"):
            if not entry.details.get("finished"):
                raise MoveError(
                    f"{source.label} was damaged, and not all is saved that can be read: run "
                    f"tracebot health --database {source.label} first."
                )


def _refuse_others(source: Database, target: Database) -> JournalEntry | None:
    """Raise `MoveError` if the target holds anything but an earlier copy of the source."""
    with explained(target):
        entry = last_entry(target, MOVE)
        if entry is None and any(_has_rows(target, each) for each in (TraceRow, RollupRow)):
            raise MoveError(
                f"{target.label} already holds other traces, and two databases cannot be merged: "
                "name an empty one with --to."
            )
        if entry is not None and entry.details.get("source") != source.label:
            raise MoveError(
                f"{target.label} holds a copy of {entry.details.get('source')}, and not of "
                f"{source.label}: name an empty database with --to."
            )
    _refuse_recorded(target)
    return entry


def _refuse_recorded(target: Database) -> None:
    with explained(target):
        if _has_rows(target, ProcessRow) or _has_rows(target, HeartbeatRow):
            raise MoveError(
                f"{target.label} has been recorded into, and moving again would take that away: "
                "go on with it, or name an empty database with --to."
            )


def _has_rows(
    database: Database, model: type[TraceRow | RollupRow | ProcessRow | HeartbeatRow]
) -> bool:
    return bool(model.select().limit(1).count(database))


def _pass(source: Database, target: Database, progress: Progress) -> Changes:
    """Compare all that moves, and copy what differs; return how much that was."""
    total = Changes()
    counts = row_counts(source)
    for table in RECORDS:
        _add(total, _copy_table(source, target, table, counts[table.name], progress))
    progress("statistics and settings", 0, 0)
    # One snapshot, and one transaction: a fact that is being added to the rollups would otherwise
    # count twice, or not at all.
    with source.snapshot(), explained(target), transaction(target):
        for table in TOGETHER:
            for piece in pieces(source, table):
                # Without pieces, all of it is compared: settings may change and keep their size.
                if not table.by or _differs(source, target, table, piece):
                    _add(total, copy(source, target, table, piece))
    with explained(target):
        for table in (*RECORDS, *TOGETHER):
            if table.kinds.get("id") == "BIGAUTO":
                target.go_on_numbering(table.name)
    _follow_erasures(source, target)
    return total


def _differs(source: Database, target: Database, table: MovedTable, piece: Piece) -> bool:
    return summed(source, table, piece) != summed(target, table, piece)


def _copy_table(
    source: Database, target: Database, table: MovedTable, count: int, progress: Progress
) -> Changes:
    total, done = Changes(), 0
    for piece in pieces(source, table):
        here = summed(source, table, piece)
        if here != summed(target, table, piece):
            with explained(target), transaction(target):
                _refuse_recorded(target)  # Who begins to record waits for our transaction.
                _add(total, copy(source, target, table, piece))
        done += here[0]
        progress(table.name, done, max(done, count))
    return total


def _add(total: Changes, changes: Changes) -> None:
    total.written += changes.written
    total.removed += changes.removed


def _follow_erasures(source: Database, target: Database) -> None:
    """Copy anew what was erased since the last time, and the log of erasures.

    Erasures are not applied to the copy by themselves: that of an edited message would take its new
    text, too.
    """
    with explained(source):
        apply_pending(source)
        erasures = known_since(source, 0)
    with explained(target):
        entry = last_entry(target, MOVE)
        known = set(known_since(target, 0))
    since = [erasure for erasure in erasures if erasure not in known]
    if entry is not None:  # Before the first run there is no copy of what is erased.
        with explained(source):
            ids = {each for erasure in since for each in reached(source, erasure)[0]}
        with explained(target):
            ids |= {each for erasure in since for each in reached(target, erasure)[0]}
        _copy_traces(source, target, sorted(ids))
    _note_erasures(source, target, since)


def _note_erasures(source: Database, target: Database, since: Sequence[Erasure]) -> None:
    """Let the target know of erasures that need not be applied any more."""
    log = erasure_log(target.path)
    for erasure in since:
        append(log, erasure)
        with explained(target):
            with transaction(target):
                share(target, erasure)
            mark_applied(target, erasure)
    followed: dict[str, object] = {"position": erasures_from(log, 0)[1]}
    details: dict[str, dict[str, object]] = {
        MOVE: {"source": source.label},
        erasures_journal(target): followed,
    }
    with explained(target), transaction(target):
        for name, each in details.items():
            put_entry(
                target,
                JournalEntry(name=name, at=time.time_ns(), ok=name != MOVE, details=each),
            )


def _copy_traces(source: Database, target: Database, trace_ids: Sequence[str]) -> None:
    for start in range(0, len(trace_ids), TRACES_AT_ONCE):
        some = trace_ids[start : start + TRACES_AT_ONCE]
        with explained(target), transaction(target):
            _refuse_recorded(target)
            for table in RECORDS:
                copy(source, target, table, of_traces(table, some))


def _recording(source: Database) -> tuple[str, ...]:
    """Return the processes that may still write to the source, as `host:pid:identity`."""
    with explained(source):
        beats = heartbeats(source, now=source.now())
        writers = ProcessRow.select(ProcessRow.process).tuples().execute(source)
        names = {name for (name,) in writers if is_local(name) and is_alive(name)}
    # Of a program on another host, which only records, nobody knows if it still runs.
    there = {beat.process for beat in beats if beat.is_there}
    return tuple(sorted({":".join(name.split(":")[:3]) for name in names | there}))
