"""Keep failures of the recording from its caller: they are logged, each kind once a process."""

import functools
import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

logger = logging.getLogger("tracebot.storage")

_logged: set[tuple[str, str]] = set()


def report_failure(what: str) -> None:
    """Log the exception that is being handled, with its traceback. Never raises.

    `what` says what was not recorded. The same failure may come with each span, so it is logged
    once. At the end of the stack even logging may fail.
    """
    with suppress(Exception):
        kind = (what, type(sys.exception()).__qualname__)
        if kind not in _logged:
            _logged.add(kind)
            logger.warning("%s could not be recorded; the program goes on.", what, exc_info=True)


def never_raises(
    what: str,
) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result | None]]:
    """Return None from a function that fails, and report the failure.

    `KeyboardInterrupt` and its like pass: they are for the caller.
    """

    def decorate(function: Callable[Parameters, Result]) -> Callable[Parameters, Result | None]:
        @functools.wraps(function)
        def call(*arguments: Parameters.args, **options: Parameters.kwargs) -> Result | None:
            try:
                return function(*arguments, **options)
            except Exception:
                report_failure(what)
                return None

        return call

    return decorate
