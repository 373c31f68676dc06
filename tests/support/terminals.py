"""Run a command of tracebot on a terminal of a certain size."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

TRACEBOT = str(Path(sys.executable).with_name("tracebot"))


class Terminal:
    """A terminal on which a command runs; `shown` is all that it has written to it."""

    def __init__(self, process: subprocess.Popen[bytes], screen: int) -> None:
        self.process = process
        self.shown = ""
        self._screen = screen
        self._bytes = b""

    def wait_for(self, text: str, *, timeout: float = 30.0) -> str:
        """Return what is shown once *text* is in it."""
        self.wait_for_after(text, 0, timeout=timeout)
        return self.shown

    def wait_for_after(self, text: str, place: int, *, timeout: float = 30.0) -> None:
        """Wait until *text* is shown behind the first *place* characters."""
        deadline = time.monotonic() + timeout
        while text not in self.shown[place:]:
            assert self._read(deadline - time.monotonic()), f"{text!r} is not in {self.shown!r}"

    def wait(self, *, timeout: float = 30.0) -> int:
        """Return the exit code, with all that is shown read."""
        deadline = time.monotonic() + timeout
        while self._read(deadline - time.monotonic()):
            pass
        return self.process.wait(timeout=max(deadline - time.monotonic(), 0.1))

    def type(self, text: str) -> None:
        """Type a line, and press Enter."""
        os.write(self._screen, f"{text}\n".encode())

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def press_ctrl_c(self) -> None:
        """Press Ctrl-C on a terminal of `shell_on_terminal`, which sends it to its foreground."""
        os.write(self._screen, b"\x03")

    def _read(self, timeout: float) -> bool:
        if not select.select([self._screen], [], [], max(timeout, 0))[0]:
            return False
        try:
            read = os.read(self._screen, 65_536)
        except OSError:  # Linux, once nobody has the other end open any more.
            return False
        self._bytes += read
        self.shown = self._bytes.decode(errors="replace").replace("\r\n", "\n")
        return bool(read)


@contextmanager
def on_terminal(
    db_path: Path,
    *words: str,
    columns: int = 100,
    lines: int = 50,
    folder: Path = Path("/"),
    **environ: str,
) -> Iterator[Terminal]:
    """Run `tracebot` with a database on a terminal of this size, and end it with the block."""
    command = [TRACEBOT, *words]
    given = {"TRACEBOT_DATABASE_URL": str(db_path), **environ}
    with _terminal(command, columns, lines, folder, given) as terminal:
        yield terminal


ITS_OWN = (
    "import fcntl, os, sys, termios\n"
    "os.setsid()\n"
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
    "os.execvp('bash', ['bash', '--norc', '-c', sys.argv[1]])\n"
)


@contextmanager
def shell_on_terminal(script: str, **environ: str) -> Iterator[Terminal]:
    """Run a script of bash on a terminal of its own, which sends Ctrl-C to its foreground."""
    command = [sys.executable, "-c", ITS_OWN, script]
    with _terminal(command, 100, 50, Path("/"), environ, in_session=False) as terminal:
        yield terminal


@contextmanager
def _terminal(
    command: Sequence[str],
    columns: int,
    lines: int,
    folder: Path,
    environ: Mapping[str, str],
    *,
    in_session: bool = True,
) -> Iterator[Terminal]:
    screen, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    hidden = ("COLUMNS", "LINES", "NO_COLOR")
    own = {name: value for name, value in os.environ.items() if name not in hidden}
    process = subprocess.Popen(
        command,
        stdin=end,
        stdout=end,
        stderr=end,
        cwd=folder,
        env={**own, "TERM": "xterm", **environ},
        start_new_session=in_session,
    )
    os.close(end)
    try:
        yield Terminal(process, screen)
    finally:
        process.kill()
        process.wait()
        os.close(screen)
