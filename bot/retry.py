"""Retries of calls over a network: when to call again, and how long to wait first.

A caller's attempt raises `TryAgain` if another attempt may succeed; a `RetryPolicy` decides:

>>> policy = RetryPolicy(attempts=3, first_wait_s=1.0)
>>> policy.call(attempt, patience_s=30.0, sleep=closing.wait)

This is the only place that reads Retry-After.
"""

import math
import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TypeVar

Result = TypeVar("Result")


class TryAgain(Exception):
    """An attempt failed with `error`, and the next may succeed, after `wait_s` seconds if known."""

    def __init__(self, error: Exception, *, wait_s: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.wait_s = wait_s


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryPolicy:
    """How often and how patiently a call is repeated.

    `attempts` counts the first one; None means until the patience ends. The wait doubles from
    `first_wait_s` to at most `longest_wait_s` seconds, less a random part of at most `jitter`, so
    that callers who failed together do not return together. A wait that the server asks for is
    kept as it is.
    """

    attempts: int | None
    first_wait_s: float
    longest_wait_s: float = 60.0
    jitter: float = 0.25

    def wait_after(self, attempt: int, *, asked_s: float | None, left_s: float) -> float | None:
        """Return the seconds to wait after the failed attempt number `attempt`, counted from 1.

        None means to give up: it was the last attempt, or the wait would end after `left_s`.
        """
        if attempt == self.attempts:
            return None
        wait = self._own_wait(attempt) if asked_s is None else asked_s
        return wait if wait <= left_s else None

    def _own_wait(self, attempt: int) -> float:
        # The exponent is bounded: without a last attempt 2 ** attempt overflows a float one day.
        doubled = self.first_wait_s * 2.0 ** min(attempt - 1, 32)
        return min(doubled, self.longest_wait_s) * random.uniform(1.0 - self.jitter, 1.0)

    def call(
        self,
        attempt: Callable[[], Result],
        *,
        patience_s: float,
        sleep: Callable[[float], object] = time.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> Result:
        """Return the result of the first `attempt` that does not raise `TryAgain`.

        When no attempt is left, the last one's own error is raised. The waits between attempts end
        within `patience_s`; an attempt that has begun is not interrupted. `sleep` may return True
        to give up early, as `threading.Event.wait` does when the event is set.
        """
        deadline = now() + patience_s
        number = 0
        while True:
            number += 1
            try:
                return attempt()
            except TryAgain as again:
                wait = self.wait_after(number, asked_s=again.wait_s, left_s=deadline - now())
                if wait is None or sleep(wait):
                    raise again.error from again.__cause__


def is_passing(status: int) -> bool:
    """Return True for a status of HTTP after which the same request may succeed.

    A gateway that gave up waiting for the request answers 408; 429 is a rate limit.
    """
    return status in (408, 429) or status >= 500


def retry_after(headers: Mapping[str, str], *, now: float) -> float | None:
    """Return the seconds that a Retry-After header asks for, never negative.

    The header is a number of seconds or an HTTP date, which is compared with `now`, in seconds
    since the epoch. None means that there is no header, or that it makes no sense.
    https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
    """
    values = (value for name, value in headers.items() if name.lower() == "retry-after")
    value = next(values, "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
        wait = float(value)
        return wait if math.isfinite(wait) else None
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    # An HTTP date is in GMT, also in the old format that does not say so.
    return max(date.replace(tzinfo=date.tzinfo or UTC).timestamp() - now, 0.0)
