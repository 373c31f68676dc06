"""Jobs of one key run one after the other, in their order."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from bot.concurrency.serial_queues import SerialQueues


def ended_with(work: Callable[[], object]) -> Callable[[], bool]:
    def job() -> bool:
        work()
        return True

    return job


def test_messages_that_wait_are_answered_in_the_order_in_which_they_were_written() -> None:
    release, ran = threading.Event(), list[str]()
    with ThreadPoolExecutor(4) as executor:
        queues = SerialQueues(executor, poll_s=60)
        first = ended_with(lambda: release.wait(10) and ran.append("1"))
        assert not queues.submit("thread", "1.000100", first)
        for order in ("1.000400", "1.000200", "1.000300"):
            job = ended_with(lambda order=order: ran.append(order))
            assert queues.submit("thread", order, job)
        release.set()
        assert queues.drain(timeout=10)
    assert ran == ["1", "1.000200", "1.000300", "1.000400"]


def test_a_message_that_waits_for_another_process_lets_an_earlier_one_pass() -> None:
    asked, ran = threading.Event(), list[str]()

    def second() -> bool:
        asked.set()
        if ran == ["1"]:
            ran.append("2")
            return True
        return False

    with ThreadPoolExecutor(4) as executor:
        queues = SerialQueues(executor, poll_s=60)
        queues.submit("thread", "2", second)
        assert asked.wait(10)
        queues.submit("thread", "1", ended_with(lambda: ran.append("1")))
        assert queues.drain(timeout=10)
    assert ran == ["1", "2"]


def test_a_message_that_waits_for_another_process_begins_as_soon_as_that_says_so() -> None:
    free, asked, ran = threading.Event(), threading.Event(), list[str]()

    def job() -> bool:
        asked.set()
        if free.is_set():
            ran.append("1")
        return free.is_set()

    with ThreadPoolExecutor(4) as executor:
        queues = SerialQueues(executor, poll_s=60)
        queues.submit("thread", "1", job)
        assert asked.wait(10)
        free.set()
        while not ran:
            queues.look_again()
        assert queues.drain(timeout=10)
