"""Say why a database on a server cannot be used, and what to do. No sentence holds a password."""

from collections.abc import Callable

from storage.database.error_causes import (
    DENIED,
    DISK_FULL,
    LOCKED,
    NO_DATABASE,
    READ_ONLY,
    UNREACHABLE,
    cause_of,
)
from storage.errors import (
    DatabaseUnavailable,
    NoDatabase,
    NotOurDatabase,
    TemporarilyUnavailable,
)

Sentence = Callable[[str, str], DatabaseUnavailable]
"""Takes the label of the database and what the server or the driver said."""

SENTENCES: dict[str, Sentence] = {
    UNREACHABLE: lambda label, said: TemporarilyUnavailable(
        f"The database {label} cannot be reached ({said}): check that the server runs, and its "
        "name and port in TRACEBOT_DATABASE_URL."
    ),
    DENIED: lambda label, said: DatabaseUnavailable(
        f"The server does not let tracebot into {label} ({said}): check the user and the password "
        "in TRACEBOT_DATABASE_URL, and what the user may do there."
    ),
    NO_DATABASE: lambda label, said: DatabaseUnavailable(
        f"There is no such database on the server ({said}): create it, for example with createdb, "
        f"or name another one than {label} in TRACEBOT_DATABASE_URL."
    ),
    READ_ONLY: lambda label, said: TemporarilyUnavailable(
        f"The database {label} can only be read, as a standby can: name the primary in "
        "TRACEBOT_DATABASE_URL, or all hosts and target_session_attrs=read-write."
    ),
    DISK_FULL: lambda label, said: TemporarilyUnavailable(
        f"The disk of the server of {label} is full: free space there."
    ),
    LOCKED: lambda label, said: TemporarilyUnavailable(
        f"The database {label} is locked by another process: try again later."
    ),
}


def explain(label: str, error: Exception) -> DatabaseUnavailable:
    """Return the error to raise for *error*."""
    said = str(error).strip().partition("\n")[0].rstrip(".")
    sentence = SENTENCES.get(cause_of(error))
    if sentence is not None:
        return sentence(label, said)
    return DatabaseUnavailable(
        f"The database {label} cannot be used ({said}): check TRACEBOT_DATABASE_URL."
    )


def nothing_there(label: str) -> NoDatabase:
    return NoDatabase(
        f"The database {label} has no tables of tracebot yet. Record something, for example with "
        "tracebot run -- COMMAND, or name another database with --database or "
        "TRACEBOT_DATABASE_URL."
    )


def not_ours(label: str, table: str) -> NotOurDatabase:
    return NotOurDatabase(
        f"The database {label} has a table {table} of another program. Nothing was changed. Create "
        "a database for tracebot and name it in TRACEBOT_DATABASE_URL."
    )


def too_old(label: str, version: str | None, oldest: int) -> DatabaseUnavailable:
    return DatabaseUnavailable(
        f"The server of {label} is PostgreSQL {version}, and tracebot needs {oldest} or newer: "
        "update it, or name another server in TRACEBOT_DATABASE_URL."
    )
