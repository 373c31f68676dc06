"""End at a signal: a command that runs until it is told to stop, and one that waits for agents."""

import math
import os
import queue
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

WAKE_S = 0.5
"""How often the main thread looks if a signal has arrived."""


class StopSignal:
    """SIGTERM or Ctrl-C, once it has come. Its `set` may interrupt its own `wait`.

    A `threading.Event` takes a lock for both, and hangs if the handler runs while the same thread
    holds it.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()

    def set(self) -> None:
        self._is_set = True
        self._wake.put(None)

    def is_set(self) -> bool:
        return self._is_set

    def wait(self, seconds: float = math.inf) -> bool:
        """Wait on the main thread for at most `seconds`. Return whether it is set."""
        # The kernel may deliver a signal to any thread, and Python runs its handler on the main
        # thread at its next step. A wait without a time limit never gets there.
        deadline = time.monotonic() + seconds
        while not self._is_set and (left := deadline - time.monotonic()) > 0:
            try:
                self._wake.get(timeout=min(left, WAKE_S))
            except queue.Empty:
                continue
        return self._is_set


def stop_signal(*others: signal.Signals) -> StopSignal:
    """Return what SIGTERM, Ctrl-C or one of *others* sets. Call it on the main thread."""
    stop = StopSignal()

    def set_stop(number: int, frame: FrameType | None) -> None:
        stop.set()

    handle((signal.SIGTERM, signal.SIGINT, *others), set_stop)
    return stop


def handle(
    numbers: Iterable[signal.Signals], handler: Callable[[int, FrameType | None], None]
) -> None:
    """Call *handler* at these signals, but for those that we were started to ignore.

    nohup ignores SIGHUP, and a shell's script SIGINT in what it starts with `&`.
    """
    for number in numbers:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


class NotedHangup:
    """A handler of SIGHUP that only notes it. The terminal may be closed by then."""

    def __init__(self) -> None:
        self.has_come = False
        self.had_terminal = _has_terminal()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.has_come = True


def note_hangups() -> None:
    """Let no SIGHUP end this process while it starts: `Hangup` follows it later."""
    handle((signal.SIGHUP,), NotedHangup())


class Hangup:
    """SIGHUP: something is read again, or the terminal was closed, and then *stop* is set.

    A bot that went on without its terminal would answer beside the next one, and nobody knew of it.
    It does under nohup.
    """

    def __init__(self, stop: StopSignal) -> None:
        self._stop = stop
        before = signal.getsignal(signal.SIGHUP)
        had_terminal = before.had_terminal if isinstance(before, NotedHangup) else _has_terminal()
        self._ends = before is not signal.SIG_IGN and had_terminal

    def reload_by(self, reload: Callable[[], object]) -> None:
        """Call *reload* at each SIGHUP from now on. Call it on the main thread."""

        def follow(number: int, frame: FrameType | None) -> None:
            if self._ends and not _has_terminal():
                self._stop.set()
            else:
                reload()

        before = signal.getsignal(signal.SIGHUP)
        signal.signal(signal.SIGHUP, follow)
        if isinstance(before, NotedHangup) and before.has_come:
            follow(signal.SIGHUP, None)


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


class Interrupted(KeyboardInterrupt):
    """SIGTERM or SIGHUP: a time limit, a job that was cancelled, or a terminal that was closed."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM and SIGHUP interrupt the block as Ctrl-C does. Call it on the main thread.

    One that we were started to ignore, as under nohup, stays ignored.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Interrupted(number)

    before = {
        number: handler
        for number in (signal.SIGTERM, signal.SIGHUP)
        if (handler := signal.getsignal(number)) is not signal.SIG_IGN
    }
    for number in before:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
