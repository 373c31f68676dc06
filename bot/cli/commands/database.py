"""The words for the database itself, which only a shell has."""

import sys
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from reports import formatting
from reports.errors import UsageError
from reports.units import parse_duration, parse_size
from storage.database.shared_file import SharedDatabase
from storage.model.retention import Retention
from storage.recovery.backup import Copied, backup, restore
from storage.recovery.integrity import check
from storage.recovery.replacement import finish_recoveries
from storage.upkeep.checkpoint import checkpoint
from storage.upkeep.retention import Removal, apply_retention, planned

DONE, FAILED = 0, 1
CHECK_S = 10.0
"""How long a question for the database's health looks the file through."""


def look_through(database: SharedDatabase) -> None:
    """Check the file, and finish saving what can be read of a damaged one."""
    line = ProgressLine()
    check(database, limit_s=CHECK_S)
    finish_recoveries(
        database,
        wait=True,
        progress=lambda table, rows: line.show(f"{rows:,} rows of {table} are saved …"),
    )
    line.clear()


def run_checkpoint(words: Namespace, database: SharedDatabase) -> int:
    result = checkpoint(database, "truncate" if words.truncate else "passive")
    if not result.complete:
        sys.stderr.write(f"tracebot: The checkpoint is not complete: {result.reason}.\n")
        return FAILED
    sys.stdout.write(f"{result.checkpointed_pages} pages are in the database.\n")
    return DONE


def run_clean(words: Namespace, database: SharedDatabase) -> int:
    retention, now = _retention(words), time.time_ns()
    if words.dry_run:
        removal = planned(database, retention, now=now)
        sys.stdout.write(f"{_sentence(removal, 'would go')}\n")
        return DONE
    line, gone = ProgressLine(), 0

    def progress(traces: int) -> None:
        nonlocal gone
        gone += traces
        line.show(f"{gone:,} traces are gone …")

    removal = apply_retention(database, retention, now=now, progress=progress)
    line.clear()
    sys.stdout.write(f"{_sentence(removal, 'went')}\n")
    return DONE


def run_backup(words: Namespace, database: SharedDatabase) -> int:
    line = ProgressLine()
    copied = backup(database, Path(words.file), force=words.force, progress=line.pages)
    line.clear()
    sys.stdout.write(f"{copied.path}: {_contents(copied)}; checked.\n")
    return DONE


def run_restore(words: Namespace, database: SharedDatabase) -> int:
    line = ProgressLine()
    restored = restore(database, Path(words.file), force=words.force, progress=line.pages)
    line.clear()
    kept = f" What was there is kept as {restored.aside}." if restored.aside else ""
    sys.stdout.write(f"{database.path} holds {_contents(restored.copied)} again.{kept}\n")
    return DONE


def _contents(copied: Copied) -> str:
    traces, spans = _counted(copied.traces, "trace"), _counted(copied.spans, "span")
    return f"{traces}, {spans}, {formatting.size(copied.size)}"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _retention(words: Namespace) -> Retention:
    if words.older_than is None and words.down_to is None:
        raise UsageError("clean needs to know what may go: --older-than 30d or --down-to 2GB.")
    try:
        age = None if words.older_than is None else parse_duration(words.older_than)
        size = None if words.down_to is None else parse_size(words.down_to)
    except ValueError as error:
        raise UsageError(f"{error}.") from None
    return Retention(older_than_ns=age, max_bytes=size)


def _sentence(removal: Removal, verb: str) -> str:
    """`1,204 traces would go: 9,632 spans, about 6.3 MB, begun 2026-08-02 to …; 1,200 slack …`."""
    if not removal.traces or removal.oldest is None or removal.newest is None:
        return f"No trace {verb}."
    days = [formatting.local(ns, "UTC", form="%Y-%m-%d") for ns in (removal.oldest, removal.newest)]
    platforms = sorted(removal.by_platform.items(), key=lambda item: -item[1])
    return (
        f"{_counted(removal.traces, 'trace')} {verb}: {_counted(removal.spans, 'span')}, about "
        f"{formatting.size(removal.size)}, begun {days[0]} to {days[1]}; "
        f"{', '.join(f'{count:,} {platform}' for platform, count in platforms)}."
    )


class ProgressLine:
    """One line on a terminal that is written over; nothing where nobody watches."""

    EVERY_S = 0.2

    def __init__(self) -> None:
        self._watched = sys.stderr.isatty()
        self._shown_at = time.monotonic()

    def show(self, text: str) -> None:
        if self._watched and time.monotonic() > self._shown_at + self.EVERY_S:
            self._shown_at = time.monotonic()
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()

    def pages(self, done: int, of: int) -> None:
        self.show(f"{100 * done // max(of, 1)}% …")

    def clear(self) -> None:
        if self._watched:
            sys.stderr.write("\r\x1b[K")


OWN: dict[str, Callable[[Namespace, SharedDatabase], int]] = {
    "checkpoint": run_checkpoint,
    "clean": run_clean,
    "backup": run_backup,
    "restore": run_restore,
}
