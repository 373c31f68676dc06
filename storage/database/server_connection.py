"""Open a connection to a PostgreSQL server. psycopg is imported only when it is used."""

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from storage.database.driver import translate_errors
from storage.database.postgres_errors import no_unicode, too_old
from storage.database.postgres_url import PostgresURL

if TYPE_CHECKING:
    from psycopg import Connection

OLDEST = 13
"""The first version that tells what was committed last (`pg_current_snapshot`)."""

CONNECT = {
    "application_name": "tracebot",
    "client_encoding": "UTF8",  # Whatever PGCLIENTENCODING says.
    "connect_timeout": 3,  # For each host of the URL.
    # A host that is switched off says nothing: without these, a statement waits for 15 minutes.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""Settings of libpq, unless the URL has its own."""


NOWHERE = "/nowhere"

WITHOUT_PASSWORD = {"password": "", "passfile": NOWHERE, "sslcert": NOWHERE}
"""Settings of libpq for somebody who has no password and no certificate."""


def open_connection(url: PostgresURL) -> "Connection[Any]":
    """Return a new connection.

    Raises `DatabaseUnavailable` if the server is too old, or the database does not take all text.
    """
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    from storage.database.watched_connection import WatchedConnection

    with translate_errors:
        # Not the URL itself, which an error about it would quote with its password.
        known: dict[str, Any] = {**CONNECT, **conninfo_to_dict(url.text)}
        settings = make_conninfo(**known)
        logging.getLogger("psycopg").addFilter(_is_not_ours)  # Added once, however often.
        connection = WatchedConnection.connect(settings, autocommit=True, prepare_threshold=None)
        connection.settings = settings
    if connection.info.server_version < OLDEST * 10_000:
        version = connection.info.parameter_status("server_version")
        connection.close()
        raise too_old(url.label, version, OLDEST)
    encoding = connection.info.parameter_status("server_encoding") or "UTF8"
    if encoding != "UTF8":
        connection.close()
        raise no_unicode(url.label, encoding)
    return connection


class _Thread(threading.local):
    reports_errors = False


_thread = _Thread()


@contextmanager
def reporting_errors() -> Iterator[None]:
    """Raise psycopg's errors as Peewee's, and let it log nothing.

    When a connection is lost in the middle of several statements, it warns of the second error
    beside the one that it raises: nobody can do anything about it.
    """
    before, _thread.reports_errors = _thread.reports_errors, True
    try:
        with translate_errors:
            yield
    finally:
        _thread.reports_errors = before


def _is_not_ours(record: logging.LogRecord) -> bool:
    """Return False for what psycopg logs while it works for us, and not for the user's program."""
    return not _thread.reports_errors


def open_doors(url: PostgresURL) -> list[str]:
    """Return the hosts or sockets at which the server lets anybody in, see `Database.open_doors`.

    Of a server of this machine, also those that the URL does not name.
    """
    from psycopg.conninfo import conninfo_to_dict

    given: dict[str, Any] = {**CONNECT, **conninfo_to_dict(url.text), **WITHOUT_PASSWORD}
    given.pop("hostaddr", None)
    host = str(given.pop("host", ""))
    others = ("", "127.0.0.1") if not host or host.startswith(LOCAL) else ()
    hosts = dict.fromkeys((host, *others))
    return list(filter(None, (_way_in({**given, "host": each}) for each in hosts)))


LOCAL = ("/", "localhost", "127.", "::1")


def _way_in(settings: Mapping[str, Any]) -> str:
    """Return the host or socket to which this connects, "" if it does not."""
    import psycopg

    try:
        with psycopg.connect(**settings) as connection:
            return connection.info.host
    except psycopg.Error:
        return ""
