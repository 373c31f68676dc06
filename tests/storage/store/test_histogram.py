"""Percentiles from buckets, against the exact ones."""

import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.store.histogram import Histogram, extended

DURATIONS = st.lists(st.integers(min_value=1, max_value=10**15), max_size=80)


def filled(values: list[int]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    return histogram


def test_an_empty_histogram_has_no_percentile() -> None:
    assert Histogram().quantile(0.5) is None


@pytest.mark.parametrize("count", [1, 2, 5, 20, 32])
def test_small_groups_are_exact(count: int) -> None:
    values = [random.Random(count).randrange(1, 10**12) for _ in range(count)]
    histogram = filled(values)
    if count == 1:
        assert histogram.quantile(0.95) == values[0]
        return
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    for percent in (50, 95, 99):
        assert histogram.quantile(percent / 100) == pytest.approx(cuts[percent - 1])


@pytest.mark.parametrize("spread", [0.2, 1.0, 2.5])
def test_percentiles_of_many_are_within_one_percent(spread: float) -> None:
    generator = random.Random(7)
    values = sorted(int(generator.lognormvariate(20, spread)) + 1 for _ in range(20_000))
    histogram = filled(values)
    for q in (0.5, 0.95, 0.99):
        assert histogram.quantile(q) == pytest.approx(values[int(q * (len(values) - 1))], rel=0.01)


@given(DURATIONS, DURATIONS)
def test_merging_is_counting_everything_in_one(first: list[int], second: list[int]) -> None:
    merged = filled(first)
    merged.merge(filled(second))
    whole = filled(first + second)
    assert merged.count == whole.count == len(first + second)
    for q in (0.0, 0.5, 0.95, 1.0):
        assert merged.quantile(q) == whole.quantile(q)


@given(DURATIONS)
def test_bytes_bring_back_the_same(values: list[int]) -> None:
    histogram = filled(values)
    again = Histogram.from_bytes(histogram.to_bytes())
    assert again.to_bytes() == histogram.to_bytes()
    assert again.quantile(0.5) == histogram.quantile(0.5)


@given(DURATIONS, DURATIONS, DURATIONS)
def test_extending_bytes_is_adding_each(
    first: list[int], second: list[int], third: list[int]
) -> None:
    blob = None
    for values in (first, second, third):
        blob = extended(blob, values)
    assert blob == filled(first + second + third).to_bytes()


def test_merging_many_is_merging_one_after_the_other() -> None:
    parts = [filled(list(range(start, start + 50))) for start in (1, 1_000, 90_000)]
    merged = Histogram.merge_many([part.to_bytes() for part in parts])
    one_by_one = Histogram()
    for part in parts:
        one_by_one.merge(part)
    assert merged.to_bytes() == one_by_one.to_bytes()


@pytest.mark.parametrize("blob", [b"", b"\x09\x00\x00\x00\x00", b"\x01\x05\x00\x00\x00abc"])
def test_bytes_of_something_else_are_refused(blob: bytes) -> None:
    with pytest.raises(ValueError, match="histogram"):
        Histogram.from_bytes(blob)
