"""Percentiles from buckets, against the exact ones."""

import random
import struct
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from math import ceil, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.store.histogram import EXACT, GAMMA, Histogram, extended, reduced

DURATIONS = st.lists(st.integers(min_value=1, max_value=10**15), min_size=1, max_size=80)
SHARES = (0.0, 0.01, 0.5, 0.95, 0.99, 1.0)


def encoded(values: Sequence[int]) -> bytes:
    return extended(None, values)


def nearest_rank(values: Sequence[int], q: float) -> int:
    """Return the smallest value that at least a share `q` of all values do not exceed."""
    return sorted(values)[max(ceil(round(q * len(values), 9)), 1) - 1]


def old(values: Sequence[int] = (), counts: Sequence[tuple[int, int]] = ()) -> bytes:
    """Return bytes of the form that was written until November 2026."""
    buckets, numbers = [bucket for bucket, _ in counts], [count for _, count in counts]
    head = struct.pack(f"<BI{len(values)}Q", 1, len(values), *values)
    return head + struct.pack(f"<{len(buckets)}H{len(numbers)}I", *buckets, *numbers)


def dense(width: int, first: int, counts: Sequence[int]) -> bytes:
    """Return bytes of form 4, with `width` bytes for each count."""
    numbers = (count.to_bytes(width, "little") for count in counts)
    return struct.pack("<BBH", 4, width, first) + b"".join(numbers)


def test_an_empty_histogram_has_no_percentile() -> None:
    assert Histogram().quantile(0.5) is None


@given(st.lists(DURATIONS, min_size=1, max_size=6))
def test_percentiles_are_within_one_percent_of_the_nearest_rank(parts: list[list[int]]) -> None:
    histogram = Histogram(map(encoded, parts))
    values = [value for part in parts for value in part]
    assert histogram.count == len(values)
    for q in SHARES:
        assert histogram.quantile(q) == pytest.approx(nearest_rank(values, q), rel=0.01)


@given(DURATIONS, st.integers(min_value=1, max_value=10**15))
def test_one_more_latency_makes_no_percentile_jump(values: list[int], one_more: int) -> None:
    for q in SHARES:
        found = Histogram([extended(encoded(values), [one_more])]).quantile(q)
        assert found == pytest.approx(nearest_rank([*values, one_more], q), rel=0.01)


@pytest.mark.parametrize("count", [31, 32, 33, 34, 100])
def test_the_slowest_of_few_is_their_p99(count: int) -> None:
    minute = 60 * 10**9
    found = Histogram([encoded([10**7] * (count - 1)), encoded([minute])]).quantile(0.99)
    assert found == pytest.approx(minute if count < 100 else 10**7, rel=0.01)


@pytest.mark.parametrize("count", [1, 2, 5, 20, EXACT])
def test_small_groups_are_exact(count: int) -> None:
    values = [random.Random(count).randrange(1, 10**12) for _ in range(count)]
    for q in SHARES:
        assert Histogram([encoded(values)]).quantile(q) == pytest.approx(nearest_rank(values, q))


@pytest.mark.parametrize("spread", [0.2, 1.0, 2.5])
def test_percentiles_of_many_are_within_one_percent(spread: float) -> None:
    generator = random.Random(7)
    values = [int(generator.lognormvariate(20, spread)) + 1 for _ in range(20_000)]
    histogram = Histogram(encoded(values[n : n + 700]) for n in range(0, len(values), 700))
    for q in SHARES:
        assert histogram.quantile(q) == pytest.approx(nearest_rank(values, q), rel=0.01)


@given(DURATIONS, DURATIONS)
def test_merging_is_counting_everything_in_one(first: list[int], second: list[int]) -> None:
    merged = Histogram([encoded(first), encoded(second)])
    whole = encoded(first + second)
    assert merged.to_bytes() == whole
    assert Histogram([whole]).to_bytes() == whole


@pytest.mark.parametrize("spread", [0.01, 0.5, 3.0])
@pytest.mark.parametrize("size", [1, 7, 31, 400])
def test_adding_up_many_small_and_large_ones_is_counting_everything_in_one(
    spread: float, size: int
) -> None:
    generator = random.Random(7)
    values = [int(generator.lognormvariate(20, spread)) + 1 for _ in range(6_000)]
    parts = [encoded(values[start : start + size]) for start in range(0, len(values), size)]
    # A few that are counted by bucket are added to the many that are not.
    dense = [encoded(values)] * 3
    whole = encoded(values * 4)
    assert Histogram([*parts, *dense]).to_bytes() == whole
    assert Histogram([*dense, *parts]).to_bytes() == whole


@pytest.mark.parametrize("number", [1, 2, 255, 256, 257, 300])
def test_sums_of_full_counts_have_room(number: int) -> None:
    full = extended(None, [10**9] * 255 + [10**6])
    assert full[0] == 4
    found = Histogram([full] * number)
    assert found.count == 256 * number
    assert found.quantile(0.0) == pytest.approx(10**6, rel=0.01)
    assert found.quantile(0.5) == pytest.approx(10**9, rel=0.01)


@st.composite
def counts_of_any_width(draw: st.DrawFn) -> tuple[int, int, list[int]]:
    """Draw the bytes of a count, the first bucket, and counts, the first of which is not 0.

    Their sums are within what a float holds exactly: nobody records more latencies.
    """
    width = draw(st.sampled_from([1, 2, 4, 8]))
    most = min(256**width - 1, 2**46)
    rest = draw(st.lists(st.integers(0, most), max_size=40))
    return width, draw(st.integers(0, 1_900)), [draw(st.integers(1, most)), *rest]


@given(st.lists(counts_of_any_width(), min_size=1, max_size=5), st.lists(DURATIONS, max_size=3))
def test_counts_of_any_width_stay_in_their_buckets_alone_and_beside_others(
    parts: list[tuple[int, int, list[int]]], few: list[list[int]]
) -> None:
    expected: Counter[int] = Counter()
    for _, first, counts in parts:
        expected.update(dict(enumerate(counts, first)))
    for values in few:
        expected.update(ceil(log(value) / log(GAMMA) - 1e-9) for value in values)
    found = Histogram([*(dense(*part) for part in parts), *map(encoded, few)])
    assert found.count == expected.total()
    buckets = sorted(expected)
    passed = list(accumulate(expected[bucket] for bucket in buckets))
    for q in SHARES:
        rank = max(ceil(q * expected.total() - 1e-9), 1)
        bucket = buckets[bisect_left(passed, rank)]
        assert found.quantile(q) == pytest.approx(GAMMA**bucket, rel=0.011)
    assert Histogram([found.to_bytes()]).to_bytes() == found.to_bytes()
    assert Histogram([found.to_bytes()]).count == found.count


@given(DURATIONS, DURATIONS, DURATIONS)
def test_extending_bytes_is_adding_each(
    first: list[int], second: list[int], third: list[int]
) -> None:
    blob = None
    for values in (first, second, third):
        blob = extended(blob, values)
    again = Histogram([encoded(first + second + third)])
    assert blob is not None
    assert Histogram([blob]).to_bytes() == again.to_bytes()


@given(DURATIONS, DURATIONS)
def test_what_is_taken_out_was_never_there(first: list[int], second: list[int]) -> None:
    left = reduced(encoded(first + second), second)
    assert left is not None
    for q in SHARES:
        expected = nearest_rank(first, q)
        assert Histogram([left]).quantile(q) == pytest.approx(expected, rel=0.01)
    assert reduced(left, first) is None


def test_a_count_that_grows_gets_more_bytes() -> None:
    blob: bytes | None = None
    for number in (40, 255, 1, 70_000):
        blob = extended(blob, [10**9] * number)
    blob = extended(blob, [10**6])
    found = Histogram([blob, blob])
    assert found.count == 2 * (40 + 255 + 1 + 70_000 + 1)
    assert found.quantile(0.5) == pytest.approx(10**9, rel=0.01)
    assert found.quantile(0.0) == pytest.approx(10**6, rel=0.01)


def test_many_are_small() -> None:
    generator = random.Random(7)
    values = [int(generator.lognormvariate(20, 0.8)) for _ in range(1_000)]
    assert len(encoded(values)) < 350
    assert len(encoded([10**7, 10**11] * 20)) == 81


def test_what_earlier_versions_stored_is_read() -> None:
    few, many = old([5, 7, 10**12]), old(counts=[(600, 2), (1_000, 300)])
    assert Histogram([few]).quantile(1.0) == pytest.approx(10**12)
    assert Histogram([many]).quantile(0.5) == pytest.approx(1.02**1_000, rel=0.01)
    assert Histogram([few, many]).count == 305
    assert Histogram([extended(few, [10**13])]).quantile(1.0) == pytest.approx(10**13)
    assert Histogram([extended(many, [1])]).count == 303
    assert Histogram([reduced(few, [7]) or b""]).count == 2


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        b"\x09\x00\x00",
        b"\x01\x05\x00\x00\x00abc",
        b"\x02abc",
        b"\x03a",
        b"\x04\x02",
        b"\x04\x02\0\0a",
    ],
)
def test_bytes_of_something_else_are_refused(blob: bytes) -> None:
    with pytest.raises(ValueError, match="histogram"):
        Histogram([blob])
