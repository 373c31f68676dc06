"""The log of erasures: a file beside the database, with one line of JSON for each.

It is a file because it has to outlast the database: what was erased must stay erased when an older
backup is restored, when a damaged database is replaced, and when a spool is replayed. A line is
written even while the database is locked. It says who, whom and when, and holds no text.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING

from storage.database.private_file import open_private

if TYPE_CHECKING:
    from storage.model.erasure import Erasure

TAIL = 4_096
"""Bytes that are read first from the end of the log."""

LATE_NS = 600 * 1_000_000_000
"""How long before a question an erasure may lie that concerns it: Slack retries for 5 minutes."""


def erasure_log(database: Path) -> Path:
    return database.with_name(f"{database.name}.erasures")


def append(log: Path, erasure: Erasure) -> None:
    """Add an erasure, so that it holds from now on for every process. Raises OSError."""
    line = as_line(erasure)
    descriptor = open_private(log, os.O_APPEND | os.O_WRONLY)
    try:
        # One call: lines of several processes do not mix. The first newline ends a line that a
        # power cut or a full disk left torn.
        data = f"\n{line}\n".encode()
        if os.write(descriptor, data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(log))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def as_line(erasure: Erasure) -> str:
    """Return an erasure as JSON."""
    known = {name: value for name, value in asdict(erasure).items() if value is not None}
    return json.dumps(known, separators=(",", ":"))


def last_change(log: Path) -> int:
    """Return when the last erasure was added, 0 if there is none. Costs one `stat`."""
    try:
        return os.stat(log).st_mtime_ns
    except OSError:
        return 0


def erasures_since(log: Path, at: int) -> tuple[Erasure, ...]:
    """Return the erasures from `at` on, oldest first. Reads no more of the log than necessary."""
    size = TAIL
    while True:
        found, whole = _read(log, size)
        if whole or (found and found[0].at < at):
            return tuple(erasure for erasure in found if erasure.at >= at)
        size *= 4


def erasures_from(log: Path, position: int) -> tuple[tuple[Erasure, ...], int]:
    """Return the erasures behind a position of the log, and the position of its end."""
    try:
        with log.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(position if position <= end else 0)  # Another log was put in its place.
            return parsed(file.read(end - file.tell()).splitlines()), end
    except FileNotFoundError:
        return (), 0


def _read(log: Path, size: int) -> tuple[tuple[Erasure, ...], bool]:
    try:
        with log.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(end - size, 0))
            return parsed(file.read().splitlines()), size >= end
    except FileNotFoundError:
        return (), True


def parsed(lines: Iterable[bytes]) -> tuple[Erasure, ...]:
    """Return the erasures of those lines that are whole."""
    from storage.model.erasure import Erasure

    names = {field.name for field in fields(Erasure)}
    found = []
    for line in lines:
        try:
            values = json.loads(line)
            found.append(Erasure(**{name: values[name] for name in names & values.keys()}))
        except (ValueError, TypeError, AttributeError):
            continue  # Empty, torn, or cut at the beginning of what was read.
    return tuple(found)
