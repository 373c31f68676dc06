"""Keep Peewee from importing the drivers of servers in a process that is tracebot's alone.

Peewee imports each driver that is installed, and psycopg takes longer than most commands do. It is
imported where a database is on a server (`storage.database.connect`), which needs nothing of what
Peewee knows about it. A program that uses `storage` beside a server of its own keeps Peewee as it
is.
"""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec

DRIVERS = frozenset(("psycopg", "psycopg2", "psycopg2cffi", "pymysql", "MySQLdb"))


class _NotForPeewee:
    """Finds no driver while Peewee is being imported, and leaves every other import alone."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: object = None
    ) -> ModuleSpec | None:
        peewee = sys.modules.get("peewee")
        # It looks for the drivers before it says its version.
        if name in DRIVERS and peewee is not None and not hasattr(peewee, "__version__"):
            raise ModuleNotFoundError(name)
        return None


def leave_out_drivers() -> None:
    """Let Peewee find no driver when it is imported from now on."""
    sys.meta_path.insert(0, _NotForPeewee())
