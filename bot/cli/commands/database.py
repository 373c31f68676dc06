"""`tracebot checkpoint`, `clean`, `backup` and `restore`: maintain the database."""

import sys
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from bot.cli.commands.signals import interruptible
from bot.cli.exit_codes import DONE, FAILED
from reports import formatting
from reports.errors import UsageError
from reports.units import parse_duration, parse_size
from storage.database.base import Database
from storage.model.retention import Retention
from storage.recovery.backup import Copied, backup, restore
from storage.recovery.integrity import check
from storage.recovery.opening import is_repairable, prepare
from storage.recovery.replacement import finish_recoveries
from storage.store.search_index import add_all
from storage.store.spool_files import spool_folder, waiting
from storage.upkeep.checkpoint import checkpoint
from storage.upkeep.folding import fold
from storage.upkeep.litestream import litestream_folder
from storage.upkeep.retention import Removal, apply_retention, planned

CHECK_S = 10.0
"""`health` and `doctor` check the database file for at most this long, in seconds."""


def look_through(database: Database) -> None:
    """Check the database file, and finish the recovery of a damaged one. A server does so itself.

    A database of another user, or one that can only be read, is left as it is. Raises
    `StorageError` for a file that is not a database of tracebot.
    """
    database.require()
    if database.on_server or not is_repairable(database.path):
        return
    prepare(database)
    line = ProgressLine()
    check(database, limit_s=CHECK_S)
    finish_recoveries(
        database,
        wait=True,
        progress=lambda table, rows: line.show(f"{rows:,} rows of {table} saved …"),
    )
    line.clear()
    database.close()


def run_checkpoint(args: Namespace, database: Database) -> int:
    add_all(database)
    if database.on_server:
        sys.stdout.write("The tables are up to date. The server does its checkpoints by itself.\n")
        return DONE
    result = checkpoint(database, "truncate" if args.truncate else "passive")
    if result.left:
        folder = litestream_folder(database.path)
        sys.stdout.write(
            f"Nothing was moved: {result.reason}. If it does not run any more, delete {folder}.\n"
        )
        return DONE
    if not result.complete:
        sys.stderr.write(
            f"tracebot: The checkpoint is incomplete: {result.reason}. A later one does the rest: "
            "the bot makes one by itself, or run this again.\n"
        )
        return FAILED
    sys.stdout.write(f"{result.checkpointed_pages} pages are now in the database.\n")
    return DONE


def run_clean(args: Namespace, database: Database) -> int:
    retention, now = _retention(args), database.now()
    if args.dry_run:
        removal = planned(database, retention, now=now)
        sys.stdout.write(f"{_sentence(removal, 'would be removed')}\n")
        return DONE
    from bot.settings import load_settings  # Slow, and the other commands do not need it.

    line, removed = ProgressLine(), 0

    def progress(traces: int) -> None:
        nonlocal removed
        removed += traces
        line.show(f"{removed:,} traces removed …")

    fold(database, load_settings().folding, now=now)
    removal = apply_retention(database, retention, now=now, progress=progress)
    line.clear()
    sys.stdout.write(f"{_sentence(removal, 'removed')}\n")
    return DONE


def run_backup(args: Namespace, database: Database) -> int:
    from bot.cli.agents_file import refuse_open_backup  # With all that agents need.

    refuse_open_backup(Path(args.file), database=args.database or "")
    line = ProgressLine()
    with interruptible():  # Or a copy of all conversations would stay, under a hidden name.
        copied = backup(database, Path(args.file), force=args.force, progress=line.pages)
    line.clear()
    sys.stdout.write(f"{copied.path} is written and checked: {_contents(copied)}.\n")
    files, size = waiting(spool_folder(database.path))
    if size:
        sys.stderr.write(
            f"tracebot: What waits in {_counted(files, 'file')} of the spool "
            f"({formatting.size(size)}) is not in the copy: the bot stores it once it can.\n"
        )
    return DONE


def run_restore(args: Namespace, database: Database) -> int:
    line = ProgressLine()
    with interruptible():
        restored = restore(database, Path(args.file), force=args.force, progress=line.pages)
    line.clear()
    kept = f" The old database is kept as {restored.aside}." if restored.aside else ""
    again = f" {_counted(restored.erasures, 'erasure')} made since then applied again."
    erased = again if restored.erasures else ""
    followed = litestream_folder(database.path).exists()
    start = " Restart Litestream, which still follows the old file." if followed else ""
    sys.stdout.write(
        f"{database.path} is restored: {_contents(restored.copied)}.{kept}{erased}{start}\n"
    )
    return DONE


def _contents(copied: Copied) -> str:
    traces, spans = _counted(copied.traces, "trace"), _counted(copied.spans, "span")
    return f"{traces}, {spans}, {formatting.size(copied.size)}"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _retention(args: Namespace) -> Retention:
    if args.older_than is None and args.down_to is None:
        raise UsageError("Say which traces to remove: --older-than 30d or --down-to 2GB.")
    try:
        age = None if args.older_than is None else parse_duration(args.older_than)
        size = None if args.down_to is None else parse_size(args.down_to)
    except ValueError as error:
        raise UsageError(f"{error}.") from None
    return Retention(older_than_ns=age, max_bytes=size)


def _sentence(removal: Removal, verb: str) -> str:
    """Say what is removed: `1,204 traces removed: 9,632 spans, about 6.3 MB, begun 2026-…`."""
    if not removal.traces or removal.oldest is None or removal.newest is None:
        return f"No traces {verb}."
    days = [formatting.local(ns, "UTC", form="%Y-%m-%d") for ns in (removal.oldest, removal.newest)]
    platforms = sorted(removal.by_platform.items(), key=lambda item: -item[1])
    return (
        f"{_counted(removal.traces, 'trace')} {verb}: {_counted(removal.spans, 'span')}, about "
        f"{formatting.size(removal.size)}, begun {days[0]} to {days[1]}; "
        f"{', '.join(f'{count:,} {platform}' for platform, count in platforms)}."
    )


class ProgressLine:
    """A line on stderr that is overwritten; nothing is written if that is not a terminal."""

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


MAINTENANCE: dict[str, Callable[[Namespace, Database], int]] = {
    "checkpoint": run_checkpoint,
    "clean": run_clean,
    "backup": run_backup,
    "restore": run_restore,
}
