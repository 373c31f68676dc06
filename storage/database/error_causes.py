"""Classify database errors. Only this module reads result codes and the text of exceptions."""

import errno
import re
from typing import Any

from peewee import OperationalError, PeeweeException

from storage.errors import StorageError, TemporarilyUnavailable

LOCKED = "locked"
READ_ONLY = "read-only"
INTERRUPTED = "interrupted"
IO_ERROR = "I/O error"
DAMAGED = "damaged"
DISK_FULL = "disk full"
UNREACHABLE = "server unreachable"
NO_CONNECTION_LEFT = "no connection left"
NOT_ENCRYPTED = "no encrypted connection"
DENIED = "access denied"
NO_RIGHT = "no right"
NO_TABLES = "tables missing"
NO_DATABASE = "database missing"
TOO_LARGE = "too large"

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

SQLSTATES = {
    "08": UNREACHABLE,
    "25006": READ_ONLY,
    "25P03": UNREACHABLE,  # It ended a session that did nothing in a transaction.
    "25P04": INTERRUPTED,
    "28": DENIED,
    "40001": LOCKED,  # Two transactions changed the same rows.
    "40P01": LOCKED,  # They waited for each other.
    "42501": NO_RIGHT,
    "42P01": NO_TABLES,
    "53": UNREACHABLE,  # No memory is left for us.
    "53100": DISK_FULL,
    "53300": NO_CONNECTION_LEFT,
    "54": TOO_LARGE,  # For an index, for example.
    "55P03": LOCKED,
    "57014": INTERRUPTED,
    "57P": UNREACHABLE,  # The server stops or starts.
    "58": IO_ERROR,
    "XX001": IO_ERROR,  # Damaged, but not for us to replace.
    "XX002": IO_ERROR,
}
"""PostgreSQL's codes, or how they begin, and what they mean; the longest that fits counts.

https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

REFUSALS = {
    r"database .* does not exist|no such database": NO_DATABASE,
    r"too many (connections|clients)|remaining connection slots|no more connections allowed|"
    "server_login_retry|query_wait_timeout": NO_CONNECTION_LEFT,
    "session is read-only|hot standby mode": READ_ONLY,
    r'authentication failed|no password supplied|no pg_hba\.conf entry|role "': DENIED,
    "permission denied": NO_RIGHT,
    "does not support SSL|certificate|SSL error: (?!unexpected eof)": NOT_ENCRYPTED,
}
"""The words, in English, of a server, a pooler or libpq that refuse a connection: psycopg has no
code of it. The first that fits counts."""

ERRNOS = {
    errno.EAGAIN: LOCKED,  # Another process holds a lock file.
    errno.EDQUOT: DISK_FULL,
    errno.EIO: IO_ERROR,
    errno.ENOSPC: DISK_FULL,
}

TRANSIENT = frozenset((LOCKED, DISK_FULL, IO_ERROR))
"""Causes that may end without tracebot's help: the same statement can succeed later."""

PASSING = (LOCKED, UNREACHABLE)
"""Causes that may end without anybody's help. The others need somebody at once."""

KNOWN = frozenset((*CAUSES.values(), *SQLSTATES.values(), *REFUSALS.values()))
"""Causes that lie outside of tracebot. Anything else is a mistake in it."""

# cysqlite's exceptions do not carry the code as an attribute. It ends their text, after the
# statement, which may contain anything. A test fails if a new version words this differently.
_CODE = re.compile(r"\(code=(\d+)(?:, ext=\d+)?\)\s*$")
_WHERE = re.compile(
    r"(- host: .*?, hostaddr: .*?: )?([a-z ]+ (failed|is bad): )?"
    r"(connection to server (at|on socket) .*? failed: )?(FATAL: +)?"
)
"""The words of psycopg and libpq before the reason."""


class ConnectionLost(OperationalError):
    """There is no connection to the server, or none is free."""


class CannotOpen(OperationalError):
    """A query had to open the file of the database first, which failed."""


def cause_of(error: BaseException) -> str:
    """Return why the database failed: one of `KNOWN`, or the name of the exception's class.

    One of our own errors is classified by the error that it was raised from.
    """
    source = _source(error)
    if isinstance(source, (StorageError, CannotOpen)) and source.__cause__ is not None:
        return cause_of(source.__cause__)
    if isinstance(error, TemporarilyUnavailable):
        return LOCKED
    if isinstance(error, OSError) and error.errno in ERRNOS:
        return ERRNOS[error.errno]
    code = _CODE.search(str(error))
    known = CAUSES.get(int(code[1])) if code else _cause_on_server(source)
    return known or type(error).__name__


def _source(error: BaseException) -> Any:
    """Return the error that one of Peewee's stands for, which has it as `orig`."""
    while isinstance(error, PeeweeException) and hasattr(error, "orig"):
        error = error.orig
    return error


def _cause_on_server(source: Any) -> str | None:
    """Return the cause of an error of psycopg.

    psycopg is not imported for it: without a server there is none of its errors.
    """
    if isinstance(source, ConnectionLost):
        return UNREACHABLE
    if not hasattr(source, "sqlstate"):
        return None
    if (code := source.sqlstate) is not None:
        return next((SQLSTATES[code[:n]] for n in (5, 3, 2) if code[:n] in SQLSTATES), None)
    if not any(kind.__name__ == "OperationalError" for kind in type(source).__mro__):
        return None
    said = reason(source)
    return next((cause for words, cause in REFUSALS.items() if re.search(words, said)), UNREACHABLE)


def reason(error: BaseException) -> str:
    """Return in one line what a server said, or each of several, without advice and address."""
    first, several, rest = str(error).strip().partition("\nMultiple connection attempts failed.")
    lines = (
        [line for line in rest.splitlines() if line.startswith("- host")] if several else [first]
    )
    told = (_WHERE.sub("", line.partition("\n")[0], count=1).rstrip(" .") for line in lines)
    return "; ".join(dict.fromkeys(told))
