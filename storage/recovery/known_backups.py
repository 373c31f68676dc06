"""The list of the backups that were made of a database: a file beside it, with a path in each line.

It is a file because the bot asks it before each turn of an agent, also while the database is gone:
what is in a backup is as private as the database.
"""

import json
import os
import re
from contextlib import suppress
from pathlib import Path

from storage.database.private_file import open_private

PARTIAL = re.compile(r"\.(.*)\.[0-9]+\.partial", re.S)
"""The name of a copy that is not whole yet, with that of the backup and the process."""

MOST = 1_000
"""Lines, after which those of files that are gone are removed."""


def backup_list(database: Path) -> Path:
    return database.with_name(f"{database.name}.backups")


def note_backup(database: Path, backup: Path) -> None:
    """Add a backup to the list. Raises `OSError`."""
    path = backup_list(database)
    known = _lines(path)
    if str(backup) in known:
        return
    if len(known) >= MOST:
        known = [line for line in known if _copies(Path(line))]
        kept = "".join(f"{json.dumps(line)}\n" for line in known)
        partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
        partial.unlink(missing_ok=True)
        _add(partial, kept)
        os.replace(partial, path)
    _add(path, f"{json.dumps(str(backup))}\n")


def known_backups(database: Path) -> tuple[Path, ...]:
    """Return the backups that still exist, and what a backup that was killed has left."""
    listed = [Path(line) for line in _lines(backup_list(database))]
    # One look at each folder: there may be a thousand backups in one, and each turn asks.
    left = {folder: _partials(folder) for folder in {path.parent for path in listed}}
    return tuple(
        copy
        for path in listed
        for copy in (path, *left[path.parent].get(path.name, ()))
        if copy != path or os.path.lexists(path)
    )


def partial_copies(target: Path) -> list[Path]:
    """Return the copies beside *target* that a process writes, or was killed while writing."""
    return _partials(target.parent).get(target.name, [])


def _partials(folder: Path) -> dict[str, list[Path]]:
    """Return such copies in a folder by the name that they will have."""
    found: dict[str, list[Path]] = {}
    with suppress(OSError):
        for name in sorted(os.listdir(folder)):
            if partial := PARTIAL.fullmatch(name):
                found.setdefault(partial[1], []).append(folder / name)
    return found


def _copies(backup: Path) -> list[Path]:
    return [*([backup] if os.path.lexists(backup) else []), *partial_copies(backup)]


def _add(path: Path, lines: str) -> None:
    descriptor = open_private(path, os.O_APPEND | os.O_WRONLY | os.O_NOFOLLOW)
    try:
        os.write(descriptor, lines.encode())
    finally:
        os.close(descriptor)


def _lines(path: Path) -> list[str]:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            found.append(str(json.loads(line)))
        except ValueError:
            continue  # Torn by a power cut.
    return found
