"""Pass a repeated warning on once a minute, with the number of its repetitions.

A library warns once for each request that a stranger sends, or each event that Slack does.
Thousands of such lines hide the others, and fill the disk and the database.
"""

import copy
import logging
import threading
from collections import Counter
from collections.abc import Hashable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

EVERY_S = 60.0
MAX_KINDS = 1_000
"""How many different warnings are told apart within a minute."""
MAX_TEXTS = 20
"""How many texts of one of our own warnings are told apart, such as about several threads."""


@dataclass(slots=True)
class Repeated:
    """A warning that was passed on, and how often it came again since."""

    record: logging.LogRecord
    count: int = 0


class LogThrottle(logging.Handler):
    """Stand before other handlers. Lines below a warning pass at once, as they are.

    Warnings of a library are the same if they come from the same line of its code, whatever they
    say: their text often holds an id or an address. Ours (`tracebot…`) are the same by their text,
    unless there are many of one.
    """

    def __init__(self, *targets: logging.Handler, every_s: float = EVERY_S) -> None:
        super().__init__()
        self.targets = [*targets]
        self._every_s = every_s
        self._repeated: dict[Hashable, Repeated] = {}
        self._texts: Counter[Hashable] = Counter()
        """How many texts of each warning were passed on within this minute."""
        self._timer: threading.Timer | None = None
        # Reentrant: a signal handler may log while its own thread does.
        self._lock = threading.RLock()

    @classmethod
    def install(cls) -> Self:
        """Put one before the handlers that the root logger has now, and return it."""
        root = logging.getLogger()
        throttle = cls(*root.handlers)
        root.handlers = [throttle]
        return throttle

    def emit(self, record: logging.LogRecord) -> None:
        """Pass the record on, or count it."""
        with self._lock:
            self._emit(record)

    def _emit(self, record: logging.LogRecord) -> None:
        if record.levelno < logging.WARNING:
            self._pass_on(record)
            return
        kind, line = _kind(record), (record.name, record.levelno, str(record.msg))
        if self._texts[line] >= MAX_TEXTS and kind not in self._repeated:
            kind = line
        if len(self._repeated) >= MAX_KINDS and kind not in self._repeated:
            kind = (record.name, record.levelno)
        if kind in self._repeated:
            self._repeated[kind].count += 1
            self._wait()  # Perhaps no thread could start before.
            return
        self._repeated[kind] = Repeated(_without_exception(record))
        self._texts[line] += 1
        self._pass_on(record)
        self._wait()

    def tell(self) -> None:
        """Pass on each warning that was repeated, with its number, and forget the others."""
        with self._lock:
            self._tell()
            self._timer = None
            self._wait()

    def _tell(self) -> None:
        repeated = {kind: each for kind, each in self._repeated.items() if each.count}
        self._repeated = {kind: Repeated(each.record) for kind, each in repeated.items()}
        self._texts.clear()
        for each in repeated.values():
            self._pass_on(_summary(each))

    def close(self) -> None:
        """Tell what is left."""
        with self._lock:
            self._tell()
            if self._timer is not None:
                self._timer.cancel()
        super().close()

    def _wait(self) -> None:
        if self._timer is None and self._repeated:
            timer = threading.Timer(self._every_s, self.tell)
            timer.daemon = True
            # Not at the limit of threads, nor while the interpreter ends. The next warning tries
            # again: none may fail its caller.
            with suppress(RuntimeError):
                timer.start()
                self._timer = timer

    def _pass_on(self, record: logging.LogRecord) -> None:
        for target in self.targets:
            if record.levelno >= target.level:
                target.handle(record)


def _kind(record: logging.LogRecord) -> Hashable:
    error = record.exc_info[0] if record.exc_info else None
    if record.name.partition(".")[0] == "tracebot":
        return record.name, record.levelno, _text(record), error
    return record.name, record.levelno, record.pathname, record.lineno, error


def _without_exception(record: logging.LogRecord) -> logging.LogRecord:
    """Return a copy with its final text. An exception would keep its frames alive."""
    kept = copy.copy(record)
    kept.msg, kept.args = _text(record), None
    kept.exc_info = kept.exc_text = kept.stack_info = None
    return kept


def _text(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # Arguments that do not fit the text are the caller's mistake.
        return str(record.msg)


def _summary(repeated: Repeated) -> logging.LogRecord:
    record = copy.copy(repeated.record)
    record.msg = f"{record.msg} (and {repeated.count:,} more like this in the last minute)"
    return record
