"""Use cysqlite and Peewee beyond their documented interfaces.

All of it is here, so that an upgrade of either library has one place to look at. pyproject.toml
holds the versions that are known to work, and tests/storage/database/test_driver.py fails if one of
these no longer does what is said here.
"""

import threading
from typing import Any

from cysqlite import SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE  # type: ignore[attr-defined]
from cysqlite import Connection as Connection  # type: ignore[attr-defined]
from peewee import __exception_wrapper__  # type: ignore[attr-defined]
from playhouse.cysqlite_ext import CySqliteDatabase

NO_CHECKPOINT_ON_CLOSE: int = SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE
"""Setting of a connection: leave the log as it is when the last connection is closed."""

translate_errors = __exception_wrapper__
"""Context manager that raises cysqlite's errors as Peewee's. Only `execute_sql` has it built in."""


class DriverDatabase(CySqliteDatabase):  # type: ignore[misc]
    """Peewee's database on cysqlite, with the hooks that Peewee does not offer."""

    @property
    def address(self) -> str:
        """The name or URI with which SQLite opens the file."""
        return str(self.database)

    def before_pragmas(self, connection: Connection) -> None:
        """Set up a new connection before its pragmas. Does nothing unless it is overridden."""

    def forget_connection(self) -> None:
        """Forget this thread's connection without closing it, in a process that was just forked.

        Peewee's lock is replaced: another thread of the parent may have held it at the fork, and
        no thread of this process would ever release it.
        """
        self._lock = threading.Lock()
        self.dispose()

    def _connect(self) -> Any:
        connection = Connection(
            self.address, timeout=self._timeout, extensions=True, uri=True, **self.connect_params
        )
        try:
            self._add_conn_hooks(connection)
        except Exception:
            connection.close()
            raise
        return connection

    def _set_pragmas(self, conn: Any) -> None:
        self.before_pragmas(conn)
        super()._set_pragmas(conn)
