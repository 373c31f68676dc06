"""Keep recordings safe when their process forks, gets SIGTERM, or ends.

The hooks are registered when this module is imported and apply to each recording that is open.
"""

import atexit
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import Protocol

import storage.model.redaction.patterns  # noqa: F401  It must be registered before us, see the end.

SIGTERM_GRACE_S = 3.0


class Recording(Protocol):
    """The calls that the hooks make, see `storage.recording.observability`."""

    def close(self, timeout: float = ...) -> bool: ...
    def before_fork(self) -> None: ...
    def after_fork(self) -> None: ...
    def after_fork_in_child(self) -> None: ...


_open: list[Recording] = []
_registered_with_multiprocessing = False
_registered_with_celery = False


def register(recording: Recording) -> None:
    """Close `recording` when the process ends, also by a SIGTERM that nothing else handles.

    A SIGTERM handler of the application stays, whether it is set before or after this call: see
    docs/explanation/recording.md.
    """
    _open.append(recording)
    on_main_thread = threading.current_thread() is threading.main_thread()
    if on_main_thread and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminated)
    # Not imported: only a process that multiprocessing started can be its child.
    multiprocessing = sys.modules.get("multiprocessing.process")
    if multiprocessing is not None and multiprocessing.parent_process() is not None:
        _close_with_multiprocessing(None)
    _close_with_celery()


def unregister(recording: Recording) -> None:
    """Forget a recording that is closed, and restore SIGTERM after the last one."""
    if recording in _open:
        _open.remove(recording)
    on_main_thread = threading.current_thread() is threading.main_thread()
    if not _open and on_main_thread and signal.getsignal(signal.SIGTERM) is _terminated:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def close_all(timeout: float = 5.0) -> None:
    """Close every recording, newest first, sharing `timeout` seconds between them."""
    until = time.monotonic() + timeout
    for recording in reversed(_open[:]):
        recording.close(max(until - time.monotonic(), 0.1))


def _terminated(number: int, frame: FrameType | None) -> None:
    try:
        close_all(SIGTERM_GRACE_S)
    finally:
        # Again with the default handler, so that the parent sees the end by a signal that it asked
        # for, rather than an exit code.
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


def _close_with_multiprocessing(_: object) -> None:
    # A child of multiprocessing ends with os._exit: its own finalizers run, those of atexit do not.
    from multiprocessing.util import Finalize

    Finalize(None, close_all, exitpriority=-100)


def _close_with_celery() -> None:
    # A child of Celery's pool ends with os._exit, too, and runs no finalizers at all.
    global _registered_with_celery
    signals = sys.modules.get("celery.signals")
    if signals is not None and not _registered_with_celery:
        _registered_with_celery = True
        signals.worker_process_shutdown.connect(_celery_ends, weak=False)


def _celery_ends(**_: object) -> None:
    close_all()


def _before_fork() -> None:
    """Stop the writers, so that the child inherits neither a thread nor an open connection."""
    global _registered_with_multiprocessing
    util = sys.modules.get("multiprocessing.util")
    if util is not None and not _registered_with_multiprocessing:
        _registered_with_multiprocessing = True
        util.register_after_fork(close_all, _close_with_multiprocessing)
    _close_with_celery()
    for recording in _open:
        recording.before_fork()


def _after_fork() -> None:
    for recording in _open:
        recording.after_fork()


def _after_fork_in_child() -> None:
    for recording in _open:
        recording.after_fork_in_child()


# The functions of atexit run in the reverse order of their registration. This one is registered
# early, so that it runs late, after what others record at the end; but before that of `patterns`,
# after which no other thread can redact.
atexit.register(close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child
    )
