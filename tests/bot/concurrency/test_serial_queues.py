"""Jobs of one key run one after the other, in their order."""

import threading
from concurrent.futures import ThreadPoolExecutor

from bot.concurrency.serial_queues import SerialQueues


def test_messages_that_wait_are_answered_in_the_order_in_which_they_were_written() -> None:
    release, ran = threading.Event(), list[str]()
    with ThreadPoolExecutor(4) as executor:
        queues = SerialQueues(executor)
        assert not queues.submit("thread", "1.000100", lambda: release.wait(10) and ran.append("1"))
        for order in ("1.000400", "1.000200", "1.000300"):
            assert queues.submit("thread", order, lambda order=order: ran.append(order))
        release.set()
        assert queues.drain(timeout=10)
    assert ran == ["1", "1.000200", "1.000300", "1.000400"]
