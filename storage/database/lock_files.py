"""Lock files that processes use to take turns.

They lie beside the database. The database's own file is never locked or opened here: closing any
descriptor of it would drop the locks that SQLite holds on it in this process (POSIX advisory locks,
https://sqlite.org/howtocorrupt.html, 2.2). A lock file is not removed after use, as another process
may be about to lock it; the lock itself ends with its descriptor, so also when the process dies.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storage.database.private_file import open_private

RETRY_S = 0.02
"""How long to wait between two tries: flock(2) has no timeout."""


@contextmanager
def locked(path: Path, *, shared: bool = False, patience: float | None = None) -> Iterator[None]:
    """Hold the lock file at `path`, which is created if it is missing.

    Wait at most `patience` seconds for other processes, or without a limit if it is None.
    Raises BlockingIOError.
    """
    # A program that is started meanwhile must not inherit the descriptor, and with it the lock.
    descriptor = open_private(path, os.O_RDWR)
    try:
        lock(descriptor, shared=shared, patience=patience)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def locked_if_present(path: Path) -> Iterator[None]:
    """Share the lock file at `path` if it is there and can be read; nothing is created."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield
        return
    try:
        lock(descriptor, shared=True)
        yield
    finally:
        os.close(descriptor)


def lock(descriptor: int, *, shared: bool = False, patience: float | None = None) -> None:
    """Lock an open file until its descriptor is closed. See `locked`."""
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    if patience is None:
        fcntl.flock(descriptor, kind)
        return
    until = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= until:
                raise
        time.sleep(RETRY_S)
