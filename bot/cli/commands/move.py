"""`tracebot move`: copy everything to another database, and say what is left to do."""

import json
import sys
import time
from argparse import Namespace
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bot.cli.exit_codes import DONE, FAILED
from bot.cli.named_database import open_existing
from reports import formatting
from reports.errors import UsageError
from reports.formatting import visible_json
from storage.database.base import Database
from storage.database.connect import locate
from storage.recovery.moving import Beginning, Moved, begin_move, move
from storage.recovery.opening import prepare
from storage.store.spool_files import spool_folder, waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of a run. `spooled` is how many spool files the old database has."""

    source: Database
    target: Database
    resumed: bool
    moved: Moved
    spooled: int

    @property
    def complete(self) -> bool:
        return not (self.moved.differences or self.moved.recording or self.spooled)


def move_database(args: Namespace) -> int:
    """Run the command. Returns 0 only if the new database is complete and can be used."""
    if not args.to:
        raise UsageError("Say where to: tracebot move --to postgresql://USER@HOST/DATABASE.")
    with closing(locate(args.to)) as target, closing(open_existing(args)) as source:
        if not target.on_server:
            from bot.cli.agents_file import refuse_open_backup  # With all that agents need.

            refuse_open_backup(target.path, database=args.database or "")
        prepare(target)
        try:
            outcome = _move(source, target)
        except KeyboardInterrupt:
            sys.stderr.write("\nStopped. What was copied is kept: the same command goes on.\n")
            raise
    if args.json:
        print(visible_json(json.dumps(_as_object(outcome), ensure_ascii=False)))  # noqa: T201
    else:
        sys.stdout.write(_as_text(outcome))
    return DONE if outcome.complete else FAILED


def _move(source: Database, target: Database) -> Outcome:
    line = Lines()
    with begin_move(source, target) as beginning:
        sys.stderr.write(_beginning(beginning, target))
        try:
            moved = move(source, target, progress=line.show)
        finally:
            line.clear()
    spooled, _ = waiting(spool_folder(source.path))
    return Outcome(
        source=source, target=target, resumed=beginning.resumed, moved=moved, spooled=spooled
    )


def _beginning(found: Beginning, target: Database) -> str:
    if found.resumed:
        return (
            f"Going on: {found.there:,} of {found.spans:,} spans are in {target.label} already.\n"
        )
    return f"Copying {found.spans:,} spans to {target.label} …\n"


def _as_text(outcome: Outcome) -> str:
    moved = outcome.moved
    traces, spans = (moved.rows.get(name, 0) for name in ("traces", "spans"))
    took = formatting.duration(moved.seconds * 1e9)
    lines = [
        f"{traces:,} traces with {spans:,} spans: {moved.written:,} rows written and "
        f"{moved.removed:,} removed in {outcome.target.label}, in {took}."
    ]
    if moved.differences:
        lines += ["Not the same yet:", *(f"  {each}" for each in moved.differences)]
    else:
        lines.append("Checked: the rows, tokens and cost of each table and day are the same.")
    lines += [*_unfinished(outcome), "", "Next:"]
    steps = enumerate(_next(outcome), start=1)
    return "\n".join([*lines, *(f"  {number}. {step}" for number, step in steps)]) + "\n"


def _unfinished(outcome: Outcome) -> list[str]:
    source, found = outcome.source.label, []
    if outcome.moved.recording:
        pids = ", ".join(name.split(":")[1] for name in outcome.moved.recording)
        noun = "process" if len(outcome.moved.recording) == 1 else "processes"
        found.append(f"Not complete: {noun} {pids} may still record into {source}.")
    if outcome.spooled:
        found.append(f"Not complete: records for {source} wait in its spool.")
    return found


def _next(outcome: Outcome) -> list[str]:
    """Return what is left to do, in sentences."""
    source, target = outcome.source, outcome.target
    if not outcome.complete:
        spool = (
            f"Start the bot once more with {source.label}, which stores what waits in its spool."
        )
        return [
            *([spool] if outcome.spooled else []),
            f"Stop everything that records into {source.label}: the bot, tracebot collect, your "
            "own programs.",
            "Run the same command again. Only what changed is copied, which takes seconds.",
        ]
    of_server = f"the URL that you gave with --to ({target.label}, with its password)"
    url = of_server if target.on_server else str(target.path)
    files = source.path.parent / "files"
    return [
        f"In .env, set TRACEBOT_DATABASE_URL to {url}.",
        *([_about_files(files, target.path)] if _has_files(files, target.path) else []),
        "Start the bot: tracebot serve. Then look: tracebot health.",
        f"Keep {source.label} until all is well. Nothing may record into it any more.",
        "Then delete it: retention and tracebot forget do not reach it.",
    ]


def _has_files(files: Path, target: Path) -> bool:
    return files.is_dir() and files.parent != target.parent


def _about_files(files: Path, target: Path) -> str:
    return f"Files of messages are not moved. To keep them, copy {files} to {target.parent}."


def _as_object(outcome: Outcome) -> dict[str, object]:
    moved = outcome.moved
    return {
        "from": outcome.source.label,
        "to": outcome.target.label,
        "complete": outcome.complete,
        "resumed": outcome.resumed,
        "rows_written": moved.written,
        "rows_removed": moved.removed,
        "duration_ms": round(moved.seconds * 1_000),
        "rows": moved.rows,
        "differences": list(moved.differences),
        "recording": list(moved.recording),
        "spool_files": outcome.spooled,
        "next": _next(outcome),
    }


class Lines:
    """Progress on stderr: one line that is overwritten, or a line now and then in a pipe."""

    TERMINAL_S, PIPE_S = 0.2, 5.0

    def __init__(self) -> None:
        self._in_terminal = sys.stderr.isatty()
        self._shown_at = time.monotonic()

    def show(self, table: str, done: int, of: int) -> None:
        every = self.TERMINAL_S if self._in_terminal else self.PIPE_S
        if time.monotonic() < self._shown_at + every:
            return
        self._shown_at = time.monotonic()
        text = f"{table}: {done:,} of {of:,} ({100 * done // of}%)" if of else f"{table} …"
        sys.stderr.write(f"\r\x1b[K{text}" if self._in_terminal else f"{text}\n")
        sys.stderr.flush()

    def clear(self) -> None:
        if self._in_terminal:
            sys.stderr.write("\r\x1b[K")
