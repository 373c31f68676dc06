"""Classify database errors by SQLite result code."""

import errno
import re

from storage.errors import TemporarilyUnavailable

CAUSES = {
    5: "locked",
    6: "locked",
    8: "read-only",
    10: "I/O error",
    11: "damaged",
    13: "disk full",
    26: "damaged",
}
"""SQLite's result codes, https://sqlite.org/rescode.html, in words."""


ERRNOS = {errno.ENOSPC: "disk full", errno.EDQUOT: "disk full", errno.EIO: "I/O error"}


PASSING = frozenset(("locked", "disk full", "I/O error"))
"""Causes that may pass by themselves, or soon be mended."""


_CODE = re.compile(r"\(code=(\d+)")


def cause_of(error: BaseException) -> str:
    """Why the database failed, in a word or two; the error's own name where that is unknown."""
    if isinstance(error, OSError) and error.errno in ERRNOS:
        return ERRNOS[error.errno]
    code = _CODE.search(str(error))
    known = CAUSES.get(int(code[1])) if code else None
    if known is None and isinstance(error, TemporarilyUnavailable):
        return "locked"
    return known or type(error).__name__
