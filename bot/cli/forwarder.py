"""Pass the signals that `tracebot run` gets on to its command."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterable
from types import FrameType

FORWARDED = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""Forwarded always, although the command has it already if it was sent to our process group: the
kernel tells the same of it as of one that was sent to us alone, and twice is better than never."""
FROM_TERMINAL = (signal.SIGINT, signal.SIGQUIT)
"""A terminal sends these to the command as well as to us."""


class Forwarder:
    """Passes signals on to the command; those that arrive before it has started are kept for it."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._waiting: list[int] = []
        self._handle(FORWARDED, self._forward)
        self._handle(FROM_TERMINAL, self._forward_once)

    def forward_to(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child
        while self._waiting:
            child.send_signal(self._waiting.pop(0))

    def _handle(
        self, numbers: Iterable[int], handler: Callable[[int, FrameType | None], None]
    ) -> None:
        for number in numbers:
            # A signal that we were started to ignore, as under nohup, stays ignored.
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, handler)

    def _forward(self, number: int, frame: FrameType | None) -> None:
        if self._child is None:
            self._waiting.append(number)
        else:
            self._child.send_signal(number)

    def _forward_once(self, number: int, frame: FrameType | None) -> None:
        # Asked now and not at the start: either may move to another group, as with `fg`.
        if self._child is None or not _both_in_foreground(self._child.pid):
            self._forward(number, frame)


def _both_in_foreground(pid: int) -> bool:
    """Return True if a terminal sends its Ctrl-C to us and to another process."""
    try:
        # Not stderr, which may lead elsewhere.
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp() == os.getpgid(pid)
    except OSError:
        return False
    finally:
        os.close(terminal)
