"""Classify database errors. Only this module reads result codes and the text of exceptions."""

import errno
import re

from storage.errors import StorageError, TemporarilyUnavailable

LOCKED = "locked"
READ_ONLY = "read-only"
INTERRUPTED = "interrupted"
IO_ERROR = "I/O error"
DAMAGED = "damaged"
DISK_FULL = "disk full"

CAUSES = {
    5: LOCKED,
    6: LOCKED,
    8: READ_ONLY,
    9: INTERRUPTED,
    10: IO_ERROR,
    11: DAMAGED,
    13: DISK_FULL,
    26: DAMAGED,
}
"""SQLite's primary result codes (https://sqlite.org/rescode.html) and what they mean."""

ERRNOS = {
    errno.EAGAIN: LOCKED,  # Another process holds a lock file.
    errno.EDQUOT: DISK_FULL,
    errno.EIO: IO_ERROR,
    errno.ENOSPC: DISK_FULL,
}

TRANSIENT = frozenset((LOCKED, DISK_FULL, IO_ERROR))
"""Causes that may end without tracebot's help: the same statement can succeed later."""

# cysqlite's exceptions do not carry the code as an attribute. It ends their text, after the
# statement, which may contain anything. A test fails if a new version words this differently.
_CODE = re.compile(r"\(code=(\d+)(?:, ext=\d+)?\)\s*$")


def cause_of(error: BaseException) -> str:
    """Return why the database failed: a value of `CAUSES`, or the name of the exception's class.

    One of our own errors is classified by the error that it was raised from.
    """
    if isinstance(error, StorageError) and error.__cause__ is not None:
        return cause_of(error.__cause__)
    if isinstance(error, TemporarilyUnavailable):
        return LOCKED
    if isinstance(error, OSError) and error.errno in ERRNOS:
        return ERRNOS[error.errno]
    code = _CODE.search(str(error))
    known = CAUSES.get(int(code[1])) if code else None
    return known or type(error).__name__
