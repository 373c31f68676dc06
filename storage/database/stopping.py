"""Let upkeep that takes long end between two of its transactions once its process is stopped.

A transaction that does not begin is what upkeep has to cope with anyway, as the database may be
locked. So no loop has to ask: none of its transactions begins any more.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_closing: ContextVar[threading.Event | None] = ContextVar("closing", default=None)


class Stopped(Exception):
    """The process is stopped. What is left is for the next one."""


@contextmanager
def stopped_by(closing: threading.Event) -> Iterator[None]:
    """Begin no transaction in this thread within the block once `closing` is set.

    Raises `Stopped` instead.
    """
    token = _closing.set(closing)
    try:
        yield
    finally:
        _closing.reset(token)


def raise_if_stopped() -> None:
    """Raise `Stopped` if this thread's work has to end."""
    closing = _closing.get()
    if closing is not None and closing.is_set():
        raise Stopped("The process is stopped.")
