"""Keep Peewee from importing drivers of databases in a process that is tracebot's alone.

Peewee and the module that its migrations import for all databases import each driver that is
installed, and psycopg takes longer than most commands do. It is imported where a database is on a
server (`storage.database.connect`), which needs nothing of what Peewee knows about it. Python's own
sqlite3 is a driver, too. A program that uses `storage` beside a server of its own keeps Peewee as
it is.
"""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec

DRIVERS = frozenset(
    ("psycopg", "psycopg2", "psycopg2cffi", "pymysql", "MySQLdb", "sqlite3", "pysqlite3")
)

LAST_NAMES = {"peewee": "__version__", "playhouse.postgres_ext": "ArrayField"}
"""Module that imports drivers → a name that it defines only later."""


class _NotForPeewee:
    """Finds no driver while Peewee is being imported, and leaves every other import alone."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: object = None
    ) -> ModuleSpec | None:
        if name in DRIVERS and any(map(_is_being_imported, LAST_NAMES)):
            raise ModuleNotFoundError(name)
        return None


def _is_being_imported(name: str) -> bool:
    module = sys.modules.get(name)
    return module is not None and not hasattr(module, LAST_NAMES[name])


def leave_out_drivers() -> None:
    """Let Peewee find no driver when it is imported from now on."""
    sys.meta_path.insert(0, _NotForPeewee())
