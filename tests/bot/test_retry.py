"""Retries: how often, how long between, and what a server's Retry-After means."""

import threading
from collections.abc import Callable

import pytest

from bot.retry import RetryPolicy, TryAgain, retry_after

NOW = 784_111_777.0
"""Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110's examples."""


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def failing(times: int, *, wait_s: float | None = None) -> Callable[[], str]:
    """Return an attempt that fails `times` times and then returns "done"."""
    left = list(range(1, times + 1))

    def attempt() -> str:
        if left:
            raise TryAgain(RuntimeError(f"failure {left.pop(0)}"), wait_s=wait_s)
        return "done"

    return attempt


def call(
    policy: RetryPolicy, attempt: Callable[[], str], *, patience_s: float = 1e6
) -> list[float]:
    """Return the waits between the attempts of a call that succeeds."""
    clock = Clock()
    result = policy.call(attempt, patience_s=patience_s, sleep=clock.sleep, now=lambda: clock.now)
    assert result == "done"
    return clock.waits


def test_the_wait_doubles_up_to_the_longest() -> None:
    policy = RetryPolicy(attempts=None, first_wait_s=0.5, longest_wait_s=8.0, jitter=0.0)
    assert call(policy, failing(7)) == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_a_server_that_stays_away_for_long_does_not_overflow_the_wait() -> None:
    policy = RetryPolicy(attempts=None, first_wait_s=0.5, longest_wait_s=8.0, jitter=0.0)
    assert call(policy, failing(2_000))[-1] == 8.0


def test_callers_that_failed_together_do_not_return_together() -> None:
    policy = RetryPolicy(attempts=None, first_wait_s=1.0, longest_wait_s=1.0, jitter=0.25)
    waits = call(policy, failing(200))
    assert len(set(waits)) > 100
    assert all(0.75 <= wait <= 1.0 for wait in waits)


def test_the_server_says_how_long_to_wait() -> None:
    policy = RetryPolicy(attempts=3, first_wait_s=0.5)
    assert call(policy, failing(2, wait_s=20.0)) == [20.0, 20.0]


def test_after_the_last_attempt_its_own_error_is_raised() -> None:
    clock = Clock()
    policy = RetryPolicy(attempts=3, first_wait_s=1.0, jitter=0.0)
    with pytest.raises(RuntimeError, match="failure 3"):
        policy.call(failing(5), patience_s=60.0, sleep=clock.sleep, now=lambda: clock.now)
    assert clock.waits == [1.0, 2.0]


def test_a_wait_that_would_end_too_late_is_not_begun() -> None:
    clock = Clock()
    policy = RetryPolicy(attempts=None, first_wait_s=1.0, jitter=0.0)
    with pytest.raises(RuntimeError, match="failure 3"):
        policy.call(failing(5), patience_s=5.0, sleep=clock.sleep, now=lambda: clock.now)
    assert clock.waits == [1.0, 2.0]  # The next wait of 4 s would end at 7 s.


def test_an_error_that_is_not_worth_another_attempt_is_raised_at_once() -> None:
    def attempt() -> str:
        raise KeyError("no")

    with pytest.raises(KeyError):
        RetryPolicy(attempts=3, first_wait_s=60.0).call(attempt, patience_s=600.0)


def test_a_wait_can_be_ended_from_another_thread() -> None:
    closing = threading.Event()
    threading.Timer(0.05, closing.set).start()
    policy = RetryPolicy(attempts=None, first_wait_s=30.0)
    with pytest.raises(RuntimeError, match="failure 1"):
        policy.call(failing(5), patience_s=600.0, sleep=closing.wait)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 1.5 ", 1.5),
        ("Sun, 06 Nov 1994 08:50:37 GMT", 60.0),
        ("Sunday, 06-Nov-94 08:50:37 GMT", 60.0),
        ("Sun Nov  6 08:50:37 1994", 60.0),
        ("Sun, 06 Nov 1994 08:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("nan", None),
        ("inf", None),
        ("1e9", None),
        ("9" * 400, None),
        ("Sun, 99 Nov 1994 08:50:37 GMT", None),
        (f"Sun, 06 Nov {'9' * 30} 08:50:37 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    assert retry_after({"Retry-After": value}, now=NOW) == seconds


def test_retry_after_is_found_whatever_its_case() -> None:
    assert retry_after({"Date": "x", "RETRY-AFTER": "7"}, now=NOW) == 7.0
    assert retry_after({"Date": "x"}, now=NOW) is None
