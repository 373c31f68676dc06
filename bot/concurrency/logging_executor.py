"""A pool of threads that logs what its work raises."""

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

logger = logging.getLogger("tracebot")


class LoggingExecutor(ThreadPoolExecutor):
    """Log the exceptions of work whose result nobody asks for; the standard library drops them.

    One of the *expected* classes says all in its text, so it is logged without a traceback.
    """

    def __init__(
        self, threads: int, *, expected: tuple[type[Exception], ...] = (), name: str = ""
    ) -> None:
        super().__init__(threads, thread_name_prefix=name)
        self._expected = expected

    def submit(self, work: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        future = super().submit(work, *args, **options)
        future.add_done_callback(self._log_failure)
        return future

    def _log_failure(self, future: Future[Any]) -> None:
        if future.cancelled() or (error := future.exception()) is None:
            return
        if isinstance(error, self._expected):
            kind = type(error).__name__
            logger.error("Work for a request of Slack was not done: %s: %s", kind, error)
        else:
            logger.error("Work for a request of Slack failed", exc_info=error)
