"""Count latencies in logarithmic buckets that can be merged, with an error of at most 1%.

After DDSketch (Masson, Rim, Lee: https://arxiv.org/abs/1908.10693): bucket i holds what lies in
(γ^(i-1), γ^i]. A few values are kept as they are, so that small groups are exact.

A percentile is the value at its nearest rank: the smallest one that at least so many percent of all
values do not exceed. One more value can therefore not make it jump.

An encoded histogram begins with a byte for its form. Its numbers are little-endian:

1. written until November 2026: the number of exact values (4 bytes), these (8 bytes each), buckets
   (2 bytes each) and their counts (4 bytes each);
2. values as floats (4 bytes each, seven digits), in rollups up to `EXACT`;
3. the bucket of each value (2 bytes each);
4. the bytes of a count (1 byte), the first bucket (2 bytes), the counts of it and all that follow.

Forms 3 and 4 say the same; the shorter one is written. Those of form 4 are added as integers of
thousands of bits, which Python does in C.
"""

import struct
import sys
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import accumulate, chain, islice
from math import ceil, log
from operator import sub
from typing import Any

GAMMA = 1.02
EXACT = 32
"""Up to this many values are kept as they are."""

MANY = 300
"""From so many exact values on, they are sorted to be counted: more than most have buckets."""

_UPPER = [GAMMA**bucket for bucket in range(ceil(log(2**64) / log(GAMMA)) + 1)]
"""The upper bound of each bucket."""

_bucket: Callable[[float], int] = partial(bisect_left, _UPPER)  # Twice as fast as a logarithm.

_OLD, _VALUES, _BUCKETS, _DENSE = 1, 2, 3, 4
LISTED = bytes((_VALUES,))
"""How a histogram of values as they are begins. The values of several can be put together."""

_OLD_HEADER = struct.Struct("<BI")
_DENSE_HEADER = struct.Struct("<BBH")
_COUNTS = {1: "B", 2: "H", 4: "I", 8: "Q"}
"""Bytes of a count → type code of `array`."""

BIG_ENDIAN = sys.byteorder == "big"


class Histogram:
    """The latencies, in nanoseconds, of any number of encoded histograms."""

    __slots__ = ("_counts", "_passed", "_values")

    def __init__(self, blobs: Iterable[bytes | memoryview] = ()) -> None:
        """Add them up. Raises ValueError for other bytes."""
        values, buckets, dense, old = [], [], [], []
        for blob in map(bytes, blobs):
            form = blob[0] if blob else 0
            if form == _VALUES:
                values.append(blob[1:])
            elif form == _BUCKETS:
                buckets.append(blob[1:])
            elif form == _DENSE:
                dense.append(_dense(blob))
            else:
                old.append(_old(blob))
        self._values: list[float] = _numbers("f", b"".join(values)).tolist()
        self._counts: dict[int, int] = {}
        if buckets or dense or old:
            self._values += chain.from_iterable(exact for exact, _ in old)
            counts = Counter(_added(dense))
            counts.update(_numbers("H", b"".join(buckets)))
            for _, counted in old:
                counts.update(counted)
            if counts:
                # Beside buckets, exact values cannot be told apart any more.
                counts.update(_bucketed(self._values))
                self._values = []
            self._counts = dict(sorted(counts.items()))
        self._values.sort()
        self._passed = list(accumulate(self._counts.values()))

    @property
    def count(self) -> int:
        return self._passed[-1] if self._passed else len(self._values)

    def quantile(self, q: float) -> float | None:
        """Return the duration in ns at the nearest rank of a share `q` (0 to 1), None if empty.

        A bucket stands for the value that is at most 1% away from all that it holds.
        """
        if not self.count:
            return None
        # Less what a product such as 0.07 * 100 is too large.
        rank = max(ceil(q * self.count - 1e-9), 1)
        if self._values:
            return self._values[rank - 1]
        bucket = next(islice(self._counts, bisect_left(self._passed, rank), None))
        return 2 * GAMMA**bucket / (1 + GAMMA)

    def to_bytes(self) -> bytes:
        """Encode. The same values have the same bytes, however they were added up."""
        return _encoded(self._values, self._counts)


def listed(values: Iterable[float]) -> bytes:
    """Encode any number of values as they are, to be added to a histogram later."""
    return LISTED + _bytes(array("f", values))


def listed_values(blob: bytes) -> list[float]:
    """Return what `listed` encoded, with seven digits."""
    return _numbers("f", blob[1:]).tolist()


def extended(blob: bytes | None, values: Sequence[float]) -> bytes:
    """Add `values` to an encoded histogram. Anything below a nanosecond counts as one."""
    if blob is not None and blob[0] == _DENSE and (same := _counted(blob, values)):
        return same
    if (blob is None or blob[0] == _VALUES) and len(values) + len(blob or b"") // 4 <= EXACT:
        # Most rollups: about twice as fast as what follows, with the same result.
        few = sorted([*_numbers("f", blob[1:] if blob else b""), *values])
        return listed(few if few and few[0] >= 1 else [max(value, 1) for value in few])
    exact, counts = _decoded(blob) if blob else ([], {})
    if counts:
        return _encoded((), Counter(counts) + Counter(map(_bucket, values)))
    ordered = sorted(values)
    if ordered and ordered[0] < 1:
        ordered = [max(value, 1) for value in ordered]
    return _encoded(sorted([*exact, *ordered]) if exact else ordered, {})


def reduced(blob: bytes, values: Iterable[float]) -> bytes | None:
    """Return the bytes of a histogram without `values`, which were added to it before.

    A value that it does not contain is ignored. None if nothing is left.
    """
    exact, counts = _decoded(blob)
    exact = listed_values(listed(exact))  # With as many digits as those that are looked for.
    for value in listed_values(listed(max(value, 1) for value in values)):
        if value in exact:
            exact.remove(value)
        elif counts.get(bucket := _bucket(value)):
            counts[bucket] -= 1
    left = {bucket: count for bucket, count in counts.items() if count}
    return _encoded(exact, left) if exact or left else None


def _encoded(values: Sequence[float], counts: Mapping[int, int]) -> bytes:
    """Encode sorted values, or counts by bucket if there are any."""
    if not counts and len(values) <= EXACT:
        return listed(values)
    counts = counts or Counter(map(_bucket, values))
    first, last = min(counts), max(counts)
    most = max(counts.values())
    width = next(width for width in _COUNTS if most < 1 << (8 * width))
    if 2 * sum(counts.values()) < (last - first + 1) * width:
        every = chain.from_iterable([bucket] * counts[bucket] for bucket in sorted(counts))
        return bytes((_BUCKETS,)) + _bytes(array("H", every))
    dense = array(_COUNTS[width], bytes((last - first + 1) * width))
    for bucket, count in counts.items():
        dense[bucket - first] = count
    return _DENSE_HEADER.pack(_DENSE, width, first) + _bytes(dense)


def _decoded(blob: bytes) -> tuple[list[float], dict[int, int]]:
    """Return the exact values, or the counts by bucket."""
    form = blob[0] if blob else 0
    if form == _VALUES:
        return listed_values(blob), {}
    if form == _BUCKETS:
        return [], Counter(_numbers("H", blob[1:]))
    if form == _DENSE:
        width, first, data = _dense(blob)
        counts = enumerate(_numbers(_COUNTS[width], data), first)
        return [], {bucket: count for bucket, count in counts if count}
    values, old_counts = _old(blob)
    return list(values), old_counts


def _counted(blob: bytes, values: Iterable[float]) -> bytes | None:
    """Return dense counts with `values`, faster than decoding them. None if they do not fit in."""
    width, first, data = _dense(blob)
    counts = _numbers(_COUNTS[width], data)
    for value in values:
        place = _bucket(value) - first
        if not 0 <= place < len(counts) or counts[place] + 1 >= 1 << (8 * width):
            return None
        counts[place] += 1
    return blob[: _DENSE_HEADER.size] + _bytes(counts)


def _bucketed(values: list[float]) -> Mapping[int, int]:
    """Count values by bucket, and sort them if they are many."""
    if len(values) < MANY:
        return Counter(map(_bucket, values))
    values.sort()  # Takes less time than a search for the bucket of each value.
    first, last = _bucket(values[0]), _bucket(values[-1])
    passed = [bisect_right(values, upper) for upper in _UPPER[first : last + 1]]
    counts = map(sub, passed, [0, *passed])
    return {bucket: count for bucket, count in enumerate(counts, first) if count}


def _added(histograms: Sequence[tuple[int, int, bytes]]) -> dict[int, int]:
    """Add up what `_dense` returned, as one integer: the bytes of bucket `start` are its lowest."""
    if not histograms:
        return {}
    start = min(first for _, first, _ in histograms)
    most = max(width for width, _, _ in histograms)
    # Bytes of a sum: as few as hold each of these counts and no sum of them exceeds.
    wider = (each for each in _COUNTS if each >= most)
    wide = next((each for each in wider if len(histograms) <= 1 << 8 * (each - most)), 8)
    total, length = 0, 0
    for width, first, data in histograms:
        counts = bytearray(len(data) // width * wide)
        for place in range(width):
            counts[place::wide] = data[place::width]
        total += int.from_bytes(counts, "little") << 8 * wide * (first - start)
        length = max(length, wide * (first - start) + len(counts))
    sums = _numbers(_COUNTS[wide], total.to_bytes(length, "little"))
    return {bucket: count for bucket, count in enumerate(sums, start) if count}


def _dense(blob: bytes) -> tuple[int, int, bytes]:
    """Return the bytes of a count, the first bucket, and the counts."""
    if len(blob) >= _DENSE_HEADER.size:
        _, width, first = _DENSE_HEADER.unpack_from(blob)
        data = blob[_DENSE_HEADER.size :]
        if width in _COUNTS and len(data) % width == 0:
            return width, first, data
    raise ValueError("These bytes are a histogram that was cut off.")


def _old(blob: bytes) -> tuple[Sequence[int], dict[int, int]]:
    """Return the exact values of form 1, and its counts by bucket."""
    if len(blob) < _OLD_HEADER.size or blob[0] != _OLD:
        raise ValueError(
            "These bytes are not a histogram of a version that this tracebot can read."
        )
    start = _OLD_HEADER.size + 8 * _OLD_HEADER.unpack_from(blob)[1]
    buckets, rest = divmod(len(blob) - start, 6)
    if buckets < 0 or rest:
        raise ValueError("These bytes are a histogram that was cut off.")
    end = start + 2 * buckets
    counts = zip(_numbers("H", blob[start:end]), _numbers("I", blob[end:]), strict=True)
    return _numbers("Q", blob[_OLD_HEADER.size : start]), dict(counts)


def _numbers(kind: str, data: bytes) -> "array[Any]":
    try:
        numbers = array(kind, data)
    except ValueError as error:
        raise ValueError("These bytes are a histogram that was cut off.") from error
    if BIG_ENDIAN:
        numbers.byteswap()
    return numbers


def _bytes(numbers: "array[Any]") -> bytes:
    if BIG_ENDIAN:
        numbers.byteswap()
    return numbers.tobytes()
