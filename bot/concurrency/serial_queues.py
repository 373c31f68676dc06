"""One job at a time in each lane, in the order in which they came; lanes beside one another."""

import threading
from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import Executor

Job = Callable[[], None]


class Lanes:
    """A thread's messages are a lane: a later one waits until those before it are answered."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._waiting: dict[Hashable, deque[Job]] = {}
        self._lock = threading.Lock()
        self._quiet = threading.Condition(self._lock)

    def drain(self, *, timeout: float) -> bool:
        """Whether every lane is empty within `timeout` seconds."""
        with self._quiet:
            return self._quiet.wait_for(lambda: not self._waiting, timeout)

    def submit(self, lane: Hashable, job: Job) -> bool:
        """Run `job` after those of its lane; whether it has to wait for one."""
        with self._lock:
            if lane in self._waiting:
                self._waiting[lane].append(job)
                return True
            self._waiting[lane] = deque()
        self._executor.submit(self._run, lane, job)
        return False

    def _run(self, lane: Hashable, job: Job) -> None:
        try:
            job()
        finally:
            self._next(lane)

    def _next(self, lane: Hashable) -> None:
        with self._lock:
            waiting = self._waiting[lane]
            if not waiting:
                del self._waiting[lane]
                self._quiet.notify_all()
                return
            job = waiting.popleft()
        # Through the executor again, so that a busy thread does not hold its place for ever.
        self._executor.submit(self._run, lane, job)
