"""A pool of threads that logs what its work raises."""

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

logger = logging.getLogger("tracebot")


class LoggingExecutor(ThreadPoolExecutor):
    """Log the exceptions of work whose result nobody asks for; the standard library drops them."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        future = super().submit(work, *args, **options)
        future.add_done_callback(_log_failure)
        return future


def _log_failure(future: Future[Any]) -> None:
    if not future.cancelled() and (error := future.exception()) is not None:
        logger.error("Work for a request of Slack failed", exc_info=error)
