"""Say why a database on a server cannot be used, and what to do. No sentence holds a password."""

from collections.abc import Callable

from storage.database.error_causes import (
    DENIED,
    DISK_FULL,
    INTERRUPTED,
    LOCKED,
    NO_CONNECTION_LEFT,
    NO_DATABASE,
    NO_RIGHT,
    NOT_ENCRYPTED,
    READ_ONLY,
    UNREACHABLE,
    cause_of,
    reason,
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
        f"The database {label} cannot be reached ({said})",
        "check that the server runs, and its name and port in TRACEBOT_DATABASE_URL",
    ),
    NO_CONNECTION_LEFT: lambda label, said: TemporarilyUnavailable(
        f"The server of {label} has no connection left ({said})",
        "raise max_connections there or the limit of the user, or put a pooler such as PgBouncer "
        "between",
    ),
    NOT_ENCRYPTED: lambda label, said: TemporarilyUnavailable(
        f"There is no encrypted connection to {label} ({said})",
        "check sslmode and sslrootcert in TRACEBOT_DATABASE_URL, and the server's certificate",
    ),
    DENIED: lambda label, said: DatabaseUnavailable(
        f"The server does not let tracebot into {label} ({said}): check the user and the password "
        "in TRACEBOT_DATABASE_URL."
    ),
    NO_RIGHT: lambda label, said: DatabaseUnavailable(
        f"The user has no right to use {label} as tracebot does ({said}): make that user the owner "
        "of the database and its tables, or name another one in TRACEBOT_DATABASE_URL."
    ),
    NO_DATABASE: lambda label, said: DatabaseUnavailable(
        f"There is no such database on the server ({said}): create it, for example with createdb, "
        f"or name another one than {label} in TRACEBOT_DATABASE_URL."
    ),
    READ_ONLY: lambda label, said: TemporarilyUnavailable(
        f"The database {label} can only be read ({said})",
        "name the primary in TRACEBOT_DATABASE_URL, or all hosts and "
        "target_session_attrs=read-write",
    ),
    DISK_FULL: lambda label, said: TemporarilyUnavailable(
        f"The disk of the server of {label} is full", "free space there"
    ),
    INTERRUPTED: lambda label, said: TemporarilyUnavailable(
        f"The server of {label} ended a statement ({said})",
        "raise statement_timeout there for this user, or set it to 0",
    ),
    LOCKED: lambda label, said: TemporarilyUnavailable(
        f"The database {label} is locked by another process", "try again later"
    ),
}


def explain(label: str, error: Exception) -> DatabaseUnavailable:
    """Return the error to raise for *error*."""
    said = reason(error)
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


def no_unicode(label: str, encoding: str) -> DatabaseUnavailable:
    return DatabaseUnavailable(
        f"{label} is encoded in {encoding}, which lacks most languages: name a database in "
        "TRACEBOT_DATABASE_URL that was created with TEMPLATE template0 ENCODING 'UTF8'."
    )


def too_old(label: str, version: str | None, oldest: int) -> DatabaseUnavailable:
    return DatabaseUnavailable(
        f"The server of {label} is PostgreSQL {version}, and tracebot needs {oldest} or newer: "
        "update it, or name another server in TRACEBOT_DATABASE_URL."
    )
