"""Run jobs one at a time per key, in their order; jobs of different keys run side by side."""

import threading
from bisect import insort
from collections.abc import Callable, Hashable
from concurrent.futures import Executor
from operator import itemgetter

Job = Callable[[], bool]
"""Does its work, or returns False if another process keeps it from that for now."""


class SerialQueues:
    """A queue of jobs for each key, all run by one executor.

    The bot's keys are Slack threads: a message waits until those before it in its thread are
    answered, because its answer depends on theirs. Jobs that wait are sorted: two messages that
    arrive within a millisecond come here on different threads, in any order.
    """

    def __init__(self, executor: Executor, *, poll_s: float) -> None:
        """Ask a job that another process keeps from running again each *poll_s* seconds."""
        self._executor = executor
        self._poll_s = poll_s
        # A key is here from its first job until its last has ended: the queue holds the jobs that
        # wait, so an empty queue means that one job runs and none waits.
        self._waiting: dict[Hashable, list[tuple[str, Job]]] = {}
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._awake = threading.Condition(self._lock)

    def drain(self, *, timeout: float) -> bool:
        """Wait until no job runs or waits; return False if *timeout* seconds pass first."""
        with self._idle:
            self._awake.notify_all()
            return self._idle.wait_for(lambda: not self._waiting, timeout)

    def look_again(self) -> None:
        """Ask the jobs that wait for another process at once. It does not block."""
        with self._lock:
            self._awake.notify_all()

    def submit(self, key: Hashable, order: str, job: Job) -> bool:
        """Run *job* after the jobs of its key that have a lower *order*, and never beside one.

        Return True if it has to wait.
        """
        with self._lock:
            if key in self._waiting:
                insort(self._waiting[key], (order, job), key=itemgetter(0))
                # It may come before one that waits for another process.
                self._awake.notify_all()
                return True
            self._waiting[key] = []
        self._executor.submit(self._run, key, order, job)
        return False

    def _run(self, key: Hashable, order: str, job: Job) -> None:
        done = True
        try:
            done = job()
        finally:
            self._start_next(key, None if done else (order, job))

    def _start_next(self, key: Hashable, again: tuple[str, Job] | None) -> None:
        with self._lock:
            waiting = self._waiting[key]
            if again is not None:
                # Sorted in again, and not kept in front: another process may wait for one of ours
                # that came later and is before it.
                self._awake.wait(self._poll_s)
                insort(waiting, again, key=itemgetter(0))
            if not waiting:
                # Removed under the same lock under which `submit` looks: a job is either in the
                # queue before this check, or finds no queue and starts at once.
                del self._waiting[key]
                self._idle.notify_all()
                return
            order, job = waiting.pop(0)
        # Submitted again rather than run in a loop here, so that one busy Slack thread does not
        # hold an executor thread for good.
        self._executor.submit(self._run, key, order, job)
