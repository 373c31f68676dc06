"""Supervise a child process: limit its time and output, and leave nothing of it behind.

One thread does everything: it waits in one `select` for the child's pipes, its end, and a
cancellation from another thread. Blocking reads would need a thread for each pipe, and could not
be ended by a deadline.
"""

import contextlib
import os
import selectors
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from bot.agents.cancellation import Cancellation
from bot.agents.programs.process.child import Child, start
from bot.agents.programs.process.restrictions import Restrictions

CHUNK = 65_536
POLL_S = 0.05
"""Seconds between looks at whether the child has ended, on systems without pidfds."""

PIPE_BYTES = 1_048_576
"""The most that an ordinary user's pipe can hold (/proc/sys/fs/pipe-max-size)."""

Stop = Literal["timeout", "flood", "cancelled", "enough"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How long a child may run, and how much it may print.

    After `timeout_s` its process group gets SIGTERM, and everything that is left `grace_s` later
    SIGKILL. The last `stderr_bytes` of its stderr are kept. A child that prints more than
    `flood_bytes` on stdout is stopped.
    """

    timeout_s: float = 600.0
    grace_s: float = 5.0
    stderr_bytes: int = 65_536
    flood_bytes: int = 256_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How a child ended: `exit_code` is negative for a signal, `stopped` is why we ended it."""

    exit_code: int
    stderr: str
    stopped: Stop | None


def run(
    command: Sequence[str],
    *,
    stdin: bytes,
    environment: Mapping[str, str],
    folder: Path | None,
    restrictions: Restrictions,
    limits: Limits,
    cancellation: Cancellation,
    on_output: Callable[[bytes], bool],
) -> Outcome:
    """Run `command` without a shell. Raise `OSError` if it cannot start.

    `on_output` takes the output as it arrives and returns False to stop the child. When the child
    has ended or is cancelled, the processes that it left are killed.
    """
    child = start(command, environment=environment, folder=folder, restrictions=restrictions)
    with (
        Supervision(child, stdin, limits, on_output) as supervision,
        cancellation.watch(supervision.cancel),
    ):
        return supervision.outcome()


class Supervision:
    """The supervision of one child from its start to its end, on the thread that waits for it.

    Only `cancel` may be called from other threads.
    """

    def __init__(
        self,
        child: Child,
        stdin: bytes,
        limits: Limits,
        on_output: Callable[[bytes], bool],
    ) -> None:
        self._child = child
        self._stdin, self._stdout, self._stderr = child.stdin, child.stdout, child.stderr
        self._unsent = memoryview(stdin)
        self._limits = limits
        self._on_output = on_output
        self._stderr_tail = bytearray()
        self._printed = 0
        self._stopped: Stop | None = None
        self._selector = selectors.DefaultSelector()
        self._exit = _exit_descriptor(child.pid)
        # A pipe, because `select` cannot wait for an event of `threading`.
        self._cancelled, self._cancel = os.pipe()

    def __enter__(self) -> "Supervision":
        for pipe, events in (
            (self._stdout, selectors.EVENT_READ),
            (self._stderr, selectors.EVENT_READ),
            (self._stdin, selectors.EVENT_WRITE),
        ):
            os.set_blocking(pipe.fileno(), False)
            self._selector.register(pipe, events)
        self._selector.register(self._cancelled, selectors.EVENT_READ)
        if self._exit is not None:
            self._selector.register(self._exit, selectors.EVENT_READ)
        return self

    def __exit__(self, *exception: object) -> None:
        if not self._child.ended:
            self._child.kill()
        self._selector.close()
        self._child.close()
        for descriptor in (self._cancelled, self._cancel, self._exit):
            if descriptor is not None:
                os.close(descriptor)

    def cancel(self) -> None:
        """Make the supervising thread end the child. Call it only inside the `with` block."""
        os.write(self._cancel, b"x")

    def outcome(self) -> Outcome:
        """Wait until the child has ended, end it if it has to, and return how it went."""
        if not self._serve(until=time.monotonic() + self._limits.timeout_s, stoppable=True):
            self._stopped = self._stopped or "timeout"
            self._child.terminate()
            # Its pipes are still served: a child that cannot write cannot end in order.
            self._serve(until=time.monotonic() + self._limits.grace_s, stoppable=False)
        # The processes it left are killed before the rest of the output is read: one of them could
        # hold the pipe open or fill it for ever. What the child itself wrote stays in the pipe.
        self._child.kill()
        exit_code = self._child.exit_code()
        self._drain()
        return Outcome(
            exit_code=exit_code,
            stderr=self._stderr_tail.decode("utf-8", "replace"),
            stopped=self._stopped,
        )

    def _serve(self, *, until: float, stoppable: bool) -> bool:
        """Feed and read the child until it ends. Return False if time is up before.

        If `stoppable`, also return False as soon as there is a reason to stop it.
        """
        while (left := until - time.monotonic()) > 0:
            for key, _ in self._selector.select(left if self._exit is not None else POLL_S):
                if key.fileobj == self._exit:
                    return True
                if key.fileobj == self._cancelled:
                    self._selector.unregister(self._cancelled)
                    self._stopped = self._stopped or "cancelled"
                else:
                    self._attend(key.fileobj)
            # Looked at after reading: the last output of a child that has just ended is not lost.
            if self._exit is None and self._child.ended:
                return True
            if stoppable and self._stopped is not None:
                return False
        return False

    def _drain(self) -> None:
        """Read what is still in the pipes.

        At most what a pipe can hold: a process that could not be killed may write on and on.
        """
        for pipe in (self._stdout, self._stderr):
            for _ in range(1 + PIPE_BYTES // CHUNK):
                if pipe.closed or not self._read(pipe):
                    break

    def _attend(self, pipe: object) -> None:
        if pipe is self._stdin:
            self._write()
        elif pipe is self._stdout:
            self._read(self._stdout)
        else:
            self._read(self._stderr)

    def _write(self) -> None:
        try:
            self._unsent = self._unsent[os.write(self._stdin.fileno(), self._unsent[:CHUNK]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:  # It does not read its prompt to the end, and may answer anyway.
            self._unsent = self._unsent[:0]
        if not self._unsent:
            self._close(self._stdin)

    def _read(self, pipe: IO[bytes]) -> bool:
        """Take what `pipe` has now; return False if that is nothing."""
        try:
            data = os.read(pipe.fileno(), CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self._close(pipe)
            return False
        if pipe is self._stdout:
            self._printed += len(data)
            # The first reason to stop the child is the one that is reported.
            if self._printed > self._limits.flood_bytes:
                self._stopped = self._stopped or "flood"
            elif not self._on_output(data):
                self._stopped = self._stopped or "enough"
        else:
            # Only the end is of use, and a child that logs for ever must not fill the memory.
            self._stderr_tail += data
            del self._stderr_tail[: -self._limits.stderr_bytes]
        return True

    def _close(self, pipe: IO[bytes]) -> None:
        self._selector.unregister(pipe)
        with contextlib.suppress(OSError):
            pipe.close()


def _exit_descriptor(pid: int) -> int | None:
    """Return a descriptor that becomes readable when the process ends (Linux), or None."""
    if not hasattr(os, "pidfd_open"):
        return None
    with contextlib.suppress(OSError):
        return os.pidfd_open(pid)
    return None


def ending(exit_code: int) -> str:
    """Put an exit code into words, such as `was ended by SIGSEGV`."""
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    with contextlib.suppress(ValueError):
        return f"was ended by {signal.Signals(-exit_code).name}"
    return f"was ended by signal {-exit_code}"
