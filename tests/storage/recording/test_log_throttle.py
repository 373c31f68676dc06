"""A warning that is repeated is passed on once, and then with its number."""

import logging
import threading
import time
from collections.abc import Iterator

import pytest

from storage.recording.log_throttle import MAX_KINDS, MAX_TEXTS, LogThrottle
from tests.support.recorded_names import WITHIN_S, until


class Kept(logging.Handler):
    """Keep what is passed on."""

    def __init__(self, level: int = logging.NOTSET) -> None:
        super().__init__(level)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self.format(record))


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def throttle(kept: Kept) -> Iterator[LogThrottle]:
    root = logging.getLogger()
    throttle = LogThrottle(kept)
    root.addHandler(throttle)
    yield throttle
    root.removeHandler(throttle)
    throttle.close()


LIBRARY = logging.getLogger("library.http")
OURS = logging.getLogger("tracebot.test")
MORE = " (and {} more like this in the last minute)"


def test_a_library_that_warns_of_each_request_is_heard_once(
    kept: Kept, throttle: LogThrottle
) -> None:
    for number in range(5_000):
        LIBRARY.warning("request %d is invalid", number)
    assert kept.texts == ["request 0 is invalid"]
    throttle.tell()
    assert kept.texts[1:] == ["request 0 is invalid" + MORE.format("4,999")]


def test_other_warnings_are_heard_meanwhile(kept: Kept, throttle: LogThrottle) -> None:
    for _ in range(3):
        LIBRARY.warning("one")
        LIBRARY.warning("two")
        LIBRARY.error("three")
        logging.getLogger("elsewhere").warning("four")
    assert kept.texts == ["one", "two", "three", "four"]


def test_our_own_warnings_are_told_apart_by_their_text(kept: Kept, throttle: LogThrottle) -> None:
    for name in ("claude", "codex", "claude"):
        OURS.warning("%s cannot be started", name)
    assert kept.texts == ["claude cannot be started", "codex cannot be started"]


def test_many_texts_of_one_of_our_own_warnings_are_counted_together(
    kept: Kept, throttle: LogThrottle
) -> None:
    for number in range(1_000):
        OURS.warning("thread %d cannot be read", number)
    OURS.warning("something else")
    assert kept.texts[0] == "thread 0 cannot be read"
    assert kept.texts[-1] == "something else"
    assert len(kept.texts) == MAX_TEXTS + 2
    throttle.tell()
    (told,) = kept.texts[MAX_TEXTS + 2 :]
    assert told == f"thread {MAX_TEXTS} cannot be read" + MORE.format(1_000 - MAX_TEXTS - 1)


def test_each_minute_has_one_line_while_it_goes_on(kept: Kept, throttle: LogThrottle) -> None:
    for _ in range(3):
        for _ in range(10):
            OURS.warning("again")
        throttle.tell()
    assert kept.texts == ["again", *("again" + MORE.format(n) for n in (9, 10, 10))]
    throttle.tell()
    throttle.tell()
    OURS.warning("again")
    assert kept.texts[-1] == "again"


def test_the_number_is_told_without_another_warning(kept: Kept) -> None:
    throttle = LogThrottle(kept, every_s=0.1)
    record = logging.makeLogRecord({"name": "x", "levelno": logging.ERROR, "msg": "broken"})
    for _ in range(7):
        throttle.handle(record)
    until = time.monotonic() + 20
    while len(kept.texts) < 2:
        assert time.monotonic() < until
        time.sleep(0.02)
    assert kept.texts == ["broken", "broken" + MORE.format(6)]
    throttle.close()


def test_lines_that_are_no_warnings_pass_as_they_are(kept: Kept, throttle: LogThrottle) -> None:
    for _ in range(3):
        throttle.handle(logging.makeLogRecord({"levelno": logging.INFO, "msg": "tick"}))
    assert kept.texts == ["tick"] * 3


def test_each_target_keeps_its_level(kept: Kept, throttle: LogThrottle) -> None:
    errors = Kept(logging.ERROR)
    throttle.targets.append(errors)
    LIBRARY.warning("careful")
    LIBRARY.error("broken")
    assert (kept.texts, errors.texts) == (["careful", "broken"], ["broken"])


def test_another_exception_is_another_warning(kept: Kept, throttle: LogThrottle) -> None:
    for error in (ValueError("a"), ValueError("b"), KeyError("c")):
        try:
            raise error
        except (ValueError, KeyError):
            LIBRARY.exception("failed")
    assert [text.splitlines()[-1] for text in kept.texts] == ["ValueError: a", "KeyError: 'c'"]


def test_a_flood_of_different_warnings_is_bounded_too(kept: Kept, throttle: LogThrottle) -> None:
    for number in range(MAX_KINDS + 500):
        OURS.warning("agent %d fails", number)
    throttle.tell()
    assert len(kept.texts) <= MAX_KINDS + 2


def test_a_text_whose_arguments_do_not_fit_is_passed_on(kept: Kept, throttle: LogThrottle) -> None:
    record = logging.makeLogRecord(
        {"name": "tracebot", "levelno": logging.WARNING, "msg": "%d", "args": ("x",)}
    )
    target, throttle.targets = throttle.targets, []
    throttle.handle(record)
    throttle.handle(record)
    throttle.targets = target
    throttle.tell()
    assert kept.texts == ["%d" + MORE.format(1)]


def test_a_warning_that_no_thread_can_count_down_for_fails_nobody(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the limit of processes, or while the interpreter ends."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    throttle = LogThrottle(kept, every_s=0.01)
    root = logging.getLogger()
    root.addHandler(throttle)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        for number in range(3):
            if number == 2:
                patch.undo()
            LIBRARY.warning("one")
    assert until(lambda: len(kept.texts) > 1), "its number is told once a thread can start"
    root.removeHandler(throttle)
    throttle.close()
    assert kept.texts == ["one", "one" + MORE.format(2)]


def test_a_throttle_that_is_closed_leaves_no_thread(kept: Kept) -> None:
    others = set(threading.enumerate())
    throttle = LogThrottle(kept, every_s=1_000)
    for _ in range(2):
        throttle.handle(
            logging.makeLogRecord({"name": "x", "msg": "one", "levelno": logging.WARNING})
        )
    (timer,) = set(threading.enumerate()) - others
    throttle.close()
    timer.join(WITHIN_S)
    assert kept.texts == ["one", "one" + MORE.format(1)]
    assert set(threading.enumerate()) <= others
