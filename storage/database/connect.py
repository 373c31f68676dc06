"""Find the database that a path or URL names, and connect to it."""

import os
import re
from pathlib import Path

from storage.database.base import Database
from storage.database.filesystem import refuse_network_file_system
from storage.database.postgres_url import (
    INVALID,
    NO_HOME,
    SCHEMES,
    PostgresURL,
    is_misspelt,
    own_folder,
    parse_url,
)
from storage.database.shared_file import SharedDatabase
from storage.errors import BadDatabaseURL, StorageError

BUSY_TIMEOUT_MS = 5_000

QUOTED = (
    "The database's path or URL is in quotes: leave out the quotes, which docker run --env-file "
    "does not remove."
)

MOST_CACHED = 128_000_000
"""Bytes of all caches of a process together. Each connection may fill one of 64 MB, and the bot has
a connection for each of some dozens of threads. Beyond this they reuse their oldest pages."""

OLDEST_SQLITE = (3, 51, 3)
"""Older versions can corrupt a database if one process checkpoints while another writes.

SQLite calls this the WAL-reset bug.
"""


def default_path() -> Path:
    """Return the path of `tracebot.db` in the user's data directory. Raises `BadDatabaseURL`."""
    from platformdirs import user_data_path

    return own_folder(user_data_path) / "tracebot.db"


def locate(url: str | Path | None = None, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> Database:
    """Return the database that a path or URL names, without opening it.

    Raises `BadDatabaseURL`, `NetworkFileSystem`, or `StorageError` if SQLite is too old.
    """
    if (server := postgres_url(url)) is not None:
        return _on_server(server, busy_timeout_ms)
    path = database_path(url)
    if SharedDatabase.server_version < OLDEST_SQLITE:
        version = ".".join(map(str, SharedDatabase.server_version))
        raise StorageError(
            f"SQLite {version} can corrupt a database that several processes use: install "
            "cysqlite 0.4 or newer."
        )
    refuse_network_file_system(path)
    return connect(path, busy_timeout_ms=busy_timeout_ms)


def connect(
    path: Path, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS, thread_safe: bool = True
) -> SharedDatabase:
    """Return a database for `path`. It connects at its first query and does not migrate.

    Each thread gets a connection of its own; with `thread_safe=False` all threads share one.
    """
    return SharedDatabase(
        path,
        rank_functions=False,
        thread_safe=thread_safe,
        timeout=busy_timeout_ms / 1000,
        lock_type="IMMEDIATE",
        pragmas={
            "journal_mode": "wal",  # Readers and the one writer do not wait for each other.
            # In WAL mode a power cut can lose the last commits, but does not damage the database.
            "synchronous": "normal",
            "foreign_keys": "on",
            # What is deleted or replaced is overwritten at once, in free pages too: an erased text
            # must not be found in the file or in a copy of it.
            "secure_delete": "on",
            "cache_size": -64_000,  # In KiB, as it is negative.
            "soft_heap_limit": MOST_CACHED,
            "wal_autocheckpoint": 10_000,  # Pages of 4 KiB, so at about 40 MB of log.
            "journal_size_limit": 64_000_000,  # Bytes that the log keeps after a checkpoint.
        },
    )


def _on_server(url: PostgresURL, busy_timeout_ms: int) -> Database:
    try:
        from psycopg import ProgrammingError
        from psycopg.conninfo import conninfo_to_dict
    except ImportError:
        raise BadDatabaseURL(
            "A postgresql:// database needs psycopg, which is not installed: install tracebot with "
            "its extra, in a clone uv tool install '.[postgres]'."
        ) from None
    try:
        conninfo_to_dict(url.text)
    except ProgrammingError as error:  # It quotes the URL, with its password.
        # A URL for Prisma, such as Supabase shows, has pgbouncer=true.
        found = re.search(r'invalid URI query parameter: "(\w+)"', str(error))
        unknown = f" libpq does not know the parameter {found[1]}: leave it out." if found else ""
        raise BadDatabaseURL(f"{INVALID}{unknown}") from None
    from storage.database.postgres import PostgresDatabase

    return PostgresDatabase(url, busy_timeout_ms=busy_timeout_ms)


def postgres_url(url: str | Path | None) -> PostgresURL | None:
    """Return the parts of a `postgresql://` URL, None for anything else. Raises as `locate`."""
    if not isinstance(url, str) or url.partition("://")[0] not in SCHEMES:
        return None
    return parse_url(url)


def database_path(url: str | Path | None) -> Path:
    """Return the file that a path or `sqlite:///` URL names. Raises `BadDatabaseURL`.

    For a server it is the name beside which this machine keeps its own files, see `Database.path`.

    Symbolic links are followed: SQLite finds the log beside the file, and we find the locks, the
    spool and the files of messages there, by whatever name the file was given.
    """
    if url is None or url == "":
        return _resolved(str(default_path()))
    if (server := postgres_url(url)) is not None:
        return server.path
    text = str(url)
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        raise BadDatabaseURL(QUOTED)
    if isinstance(url, str) and is_misspelt(text):
        raise BadDatabaseURL(INVALID)
    scheme, separator, rest = text.partition("://")
    if not separator:
        return _resolved(text)
    if scheme == "sqlite" and rest.startswith("/") and len(rest) > 1:
        return _resolved(rest[1:])
    raise BadDatabaseURL(
        f"tracebot cannot open a {scheme}:// database: give the path of a file, sqlite:///PATH, or "
        "postgresql://USER:PASSWORD@HOST/DATABASE."
    )


def _resolved(name: str) -> Path:
    expanded = os.path.expanduser(name)
    if expanded.startswith("~/"):
        raise BadDatabaseURL(NO_HOME)
    try:
        # Not `Path.resolve`, which raises at links that lead in a circle; `stat` says so later.
        return Path(os.path.realpath(expanded))
    except ValueError:
        raise BadDatabaseURL(f"{name!r} is not the path of a file: it has a NUL in it.") from None
    except FileNotFoundError:
        raise BadDatabaseURL(
            f"The folder you are in was removed, so {name} cannot be found: change to another "
            "folder, or give the whole path of the database."
        ) from None
