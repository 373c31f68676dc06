"""Run jobs one at a time per key, in the order of their arrival; different keys side by side."""

import threading
from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import Executor

Job = Callable[[], None]


class SerialQueues:
    """A queue of jobs for each key, all run by one executor.

    The bot's keys are Slack threads: a message waits until those before it in its thread are
    answered, because its answer depends on theirs.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        # A key is here from its first job until its last has ended: the queue holds the jobs that
        # wait, so an empty queue means that one job runs and none waits.
        self._waiting: dict[Hashable, deque[Job]] = {}
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)

    def drain(self, *, timeout: float) -> bool:
        """Wait until no job runs or waits; return False if *timeout* seconds pass first."""
        with self._idle:
            return self._idle.wait_for(lambda: not self._waiting, timeout)

    def submit(self, key: Hashable, job: Job) -> bool:
        """Run *job* after the earlier jobs of its key; return True if it has to wait for one."""
        with self._lock:
            if key in self._waiting:
                self._waiting[key].append(job)
                return True
            self._waiting[key] = deque()
        self._executor.submit(self._run, key, job)
        return False

    def _run(self, key: Hashable, job: Job) -> None:
        try:
            job()
        finally:
            self._start_next(key)

    def _start_next(self, key: Hashable) -> None:
        with self._lock:
            waiting = self._waiting[key]
            if not waiting:
                # Removed under the same lock under which `submit` looks: a job is either in the
                # queue before this check, or finds no queue and starts at once.
                del self._waiting[key]
                self._idle.notify_all()
                return
            job = waiting.popleft()
        # Submitted again rather than run in a loop here, so that one busy Slack thread does not
        # hold an executor thread for good.
        self._executor.submit(self._run, key, job)
