"""Poolers between tracebot and a server, which lend a session for one transaction.

PgBouncer itself, if it is installed (Debian: `apt-get install pgbouncer`), and one of our own,
which tells what a real one only loses.
"""

import os
import queue
import re
import select
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

OF_A_SESSION = re.compile(
    r"\b(SET(?! +(LOCAL|TRANSACTION|CONSTRAINTS)\b)\s+(SESSION\s+)?\w+\s*(=|\bTO\b)"
    r"|LISTEN|PREPARE\b|DECLARE|TEMP(ORARY)? TABLE (?!.*ON COMMIT DROP)"
    r"|pg_(try_)?advisory_lock(_shared)?\()",
    re.IGNORECASE,
)
"""Statements whose effect outlasts a transaction."""

BEGINS, SYNCS = b"PBDECH", b"QSF"
"""A client's messages that belong to a request, and those after which the server becomes ready."""


@contextmanager
def pgbouncer(url: str, folder: Path) -> Iterator[str]:
    """Run PgBouncer before a server, and yield the URL of the database through it.

    Each transaction gets another session than the one before, in which nothing is left.
    """
    assert PGBOUNCER
    log, settings = folder / "log", folder / "pgbouncer.ini"
    settings.write_text(
        f"[databases]\n* = host={_folder_of(url)} user=postgres\n"
        f"[pgbouncer]\nlisten_addr =\nunix_socket_dir = {folder}\nlogfile = {log}\n"
        "listen_port = 5432\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 4\n"
        "server_round_robin = 1\nserver_reset_query = DISCARD ALL\nserver_reset_query_always = 1\n"
    )
    owner = Path(_folder_of(url)).owner()  # The server's user, who may enter its folder.
    shutil.chown(folder, owner)
    user = ["-u", owner] if os.geteuid() == 0 else []  # It does not run as root.
    process = subprocess.Popen([PGBOUNCER, "-q", *user, str(settings)])
    try:
        until = time.monotonic() + 30
        while not (folder / ".s.PGSQL.5432").exists():
            assert process.poll() is None and time.monotonic() < until, log.read_text()
            time.sleep(0.02)
        yield _through(url, folder)
    finally:
        process.terminate()
        process.wait()


class Pooler:
    """A pooler with a few sessions, of which each transaction gets the one that waits longest.

    `lost` holds the statements that change a session for later: their effect is gone.
    """

    def __init__(self, url: str, folder: Path, *, sessions: int = 3) -> None:
        self.url = _through(url, folder)
        self.lost: list[str] = []
        self._server = f"{_folder_of(url)}/.s.PGSQL.5432"
        self._startup = _startup_message(url)
        self._greeting = b""
        self._sessions: queue.SimpleQueue[socket.socket] = queue.SimpleQueue()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / ".s.PGSQL.5432"))
        self._listener.listen()
        self._open = [self._connect() for _ in range(sessions)]
        for session in self._open:
            self._sessions.put(session)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for each in (self._listener, *self._open):
            each.close()

    def _connect(self) -> socket.socket:
        session = socket.socket(socket.AF_UNIX)
        session.connect(self._server)
        session.sendall(self._startup)
        self._greeting = _until_ready(session)
        return session

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError, ConnectionError), client:
            client.recv(8_192)  # All have the same user and database.
            client.sendall(self._greeting)
            while (message := _message(client))[:1] != b"X":
                session = self._sessions.get()
                try:
                    self._transact(client, session, message)
                finally:
                    session.sendall(b"Q" + struct.pack("!I", 16) + b"DISCARD ALL\0")
                    _until_ready(session)
                    self._sessions.put(session)

    def _transact(self, client: socket.socket, session: socket.socket, message: bytes) -> None:
        """Carry messages until the server is idle, and has answered all of the client."""
        unanswered, unfinished, status = 0, False, b"I"
        while True:
            if message:
                self._look_at(message)
                unanswered += message[0] in SYNCS
                unfinished = message[0] in BEGINS or (unfinished and message[0] not in SYNCS)
                session.sendall(message)
            elif not unanswered and not unfinished and status == b"I":
                return
            ready, _, _ = select.select([client, session], [], [])
            message = _message(client) if client in ready else b""
            if message[:1] == b"X":
                raise ConnectionError("the client left within a transaction")
            if session in ready:
                answer = _message(session)
                if answer[:1] == b"Z":
                    unanswered, status = unanswered - 1, answer[5:6]
                client.sendall(answer)

    def _look_at(self, message: bytes) -> None:
        if message[:1] not in (b"Q", b"P"):
            return
        name, _, rest = message[5:].partition(b"\0")
        named = name if message[:1] == b"P" else b""
        sql = (rest if message[:1] == b"P" else name).partition(b"\0")[0].decode()
        if named or OF_A_SESSION.search(sql):
            self.lost.append(sql)


def _folder_of(url: str) -> str:
    return parse_qs(urlsplit(url).query)["host"][0]


def _through(url: str, folder: Path) -> str:
    return f"{url.partition('?')[0]}?host={quote(str(folder))}"


def _startup_message(url: str) -> bytes:
    name = urlsplit(url).path.strip("/")
    body = struct.pack("!I", 196_608) + f"user\0postgres\0database\0{name}\0\0".encode()
    return struct.pack("!I", len(body) + 4) + body


def _until_ready(session: socket.socket) -> bytes:
    """Return all messages of a server until it is ready."""
    said = b""
    while True:
        message = _message(session)
        said += message
        if message[:1] == b"Z":
            return said


def _message(source: socket.socket) -> bytes:
    head = _exactly(source, 5)
    return head + _exactly(source, struct.unpack("!I", head[1:])[0] - 4)


def _exactly(source: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        if not (more := source.recv(size - len(data))):
            raise ConnectionError("hung up")
        data += more
    return data
