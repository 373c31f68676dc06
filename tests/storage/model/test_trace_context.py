"""Ids of traces and spans: random, ordered by time, and never the same twice."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from storage.model.trace_context import ASKED_AT_ONCE, began_at, is_valid, new_span_id, new_trace_id


def test_ids_are_valid_and_begin_with_their_time() -> None:
    now = 1_790_000_000_123_456_789
    trace_id = new_trace_id(now)
    assert is_valid((trace_id, new_span_id()))
    assert began_at(trace_id) == now // 1_000_000 * 1_000_000


def test_no_id_comes_twice_whichever_thread_asks() -> None:
    number = 20 * ASKED_AT_ONCE
    with ThreadPoolExecutor(4) as threads:
        ids = list(threads.map(lambda _: new_span_id(), range(number)))
    assert len(set(ids)) == number


def test_a_forked_child_has_ids_of_its_own() -> None:
    new_span_id()
    reading, writing = os.pipe()
    if not (child := os.fork()):
        os.write(writing, " ".join(new_span_id() for _ in range(ASKED_AT_ONCE)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        theirs = pipe.read().split()
    ours = {new_span_id() for _ in range(ASKED_AT_ONCE)}
    assert len(theirs) == ASKED_AT_ONCE
    assert ours.isdisjoint(theirs)


@pytest.mark.parametrize(
    "ids",
    [
        None,
        "a" * 48,
        ["a" * 32, "b" * 16],
        ("a" * 32,),
        ("A" * 32, "b" * 16),
        ("0" * 32, "b" * 16),
        ("a" * 32, 5),
        ("a" * 31, "b" * 16),
    ],
)
def test_anything_but_a_pair_of_ids_is_not_valid(ids: object) -> None:
    assert not is_valid(ids)
