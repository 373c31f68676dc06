"""Count latencies in logarithmic buckets that can be merged, with an error of at most 1%.

After DDSketch (Masson, Rim, Lee: https://arxiv.org/abs/1908.10693): bucket i holds what lies in
(γ^(i-1), γ^i]. A few values are kept as they are, so that small groups are exact.
"""

import struct
import sys
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from math import ceil, log

GAMMA = 1.02
EXACT = 32
"""Up to this many values are kept as they are."""

_PER_BUCKET = 1 / log(GAMMA)
_VERSION = 1
_HEADER = struct.Struct("<BI")
_ONE = struct.Struct("<BIQ")
BIG_ENDIAN = sys.byteorder == "big"
"""Stored bytes are little-endian on every machine."""


class Histogram:
    """Counts of durations, in nanoseconds."""

    __slots__ = ("_buckets", "_exact")

    def __init__(self) -> None:
        self._exact: list[int] = []
        self._buckets: Counter[int] = Counter()

    @property
    def count(self) -> int:
        return len(self._exact) + self._buckets.total()

    def add(self, value: int) -> None:
        """Count one duration. Anything below a nanosecond counts as one."""
        value = max(value, 1)
        if not self._buckets and len(self._exact) < EXACT:
            self._exact.append(value)
            return
        if self._exact:
            self._use_buckets()
        self._buckets[_bucket(value)] += 1

    def merge(self, other: "Histogram") -> None:
        """Add the counts of `other`."""
        few = len(self._exact) + len(other._exact) <= EXACT
        if few and not other._buckets and not self._buckets:
            self._exact += other._exact
            return
        self._use_buckets()
        self._buckets.update(other._buckets)
        self._buckets.update(map(_bucket, other._exact))

    def quantile(self, q: float) -> float | None:
        """Return the duration in ns below which a share `q` (0 to 1) lies, or None if empty.

        For exact values this is the linear interpolation that `statistics.quantiles` calls
        `inclusive`; for buckets, a value within γ of the one at that rank.
        """
        if not self.count:
            return None
        rank = q * (self.count - 1)
        if not self._buckets:
            return _interpolated(sorted(self._exact), rank)
        passed = 0
        for bucket in sorted(self._buckets):
            passed += self._buckets[bucket]
            if passed > rank:
                break
        return 2 * GAMMA**bucket / (1 + GAMMA)

    def to_bytes(self) -> bytes:
        """Encode: a version byte, the number of exact values, these, the buckets, their counts."""
        buckets = sorted(self._buckets)
        counts = array("I", [self._buckets[bucket] for bucket in buckets])
        return _packed(array("Q", sorted(self._exact)), array("H", buckets), counts)

    @classmethod
    def from_bytes(cls, blob: bytes | memoryview) -> "Histogram":
        """Decode what `to_bytes` returned. Raises ValueError for other bytes."""
        return cls.merge_many([blob])

    @classmethod
    def merge_many(cls, blobs: Iterable[bytes | memoryview]) -> "Histogram":
        """Return the sum of many encoded histograms."""
        merged = cls()
        values = array("Q")
        sums: dict[int, int] = {}  # Adding Counters takes twice as long.
        for blob in map(bytes, blobs):
            exact, indices, counts = _parse(blob)
            values += exact
            for bucket, count in zip(indices, counts, strict=True):
                sums[bucket] = sums.get(bucket, 0) + count
        merged._buckets = Counter(sums)
        if merged._buckets or len(values) > EXACT:
            merged._buckets.update(map(_bucket, values))
        else:
            merged._exact = values.tolist()
        return merged

    def _use_buckets(self) -> None:
        self._buckets.update(map(_bucket, self._exact))
        self._exact = []


def extended(blob: bytes | None, values: Sequence[int]) -> bytes:
    """Add `values` to an encoded histogram, faster than decoding and encoding all of it."""
    if blob is None and len(values) == 1:  # As in most rows of a batch.
        return _ONE.pack(_VERSION, 1, max(values[0], 1))
    exact, indices, counts = _parse(blob) if blob else (array("Q"), array("H"), array("I"))
    exact.extend([value if value > 0 else 1 for value in values])
    if not indices and len(exact) <= EXACT:
        return _packed(array("Q", sorted(exact)), indices, counts)
    for bucket, count in Counter(map(_bucket, exact)).items():
        place = bisect_left(indices, bucket)
        if place < len(indices) and indices[place] == bucket:
            counts[place] += count
        else:
            indices.insert(place, bucket)
            counts.insert(place, count)
    return _packed(array("Q"), indices, counts)


def reduced(blob: bytes, values: Sequence[int]) -> bytes | None:
    """Return the bytes of a histogram without `values`, which were added to it before.

    A value that it does not contain is ignored. None if nothing is left.
    """
    exact, indices, counts = _parse(blob)
    for value in (value if value > 0 else 1 for value in values):
        if value in exact:
            exact.remove(value)
            continue
        bucket = _bucket(value)
        place = bisect_left(indices, bucket)
        if place < len(indices) and indices[place] == bucket:
            counts[place] -= 1
            if not counts[place]:
                del indices[place], counts[place]
    return _packed(exact, indices, counts) if exact or indices else None


def _bucket(value: int) -> int:
    return ceil(log(value) * _PER_BUCKET)


def _interpolated(values: list[int], rank: float) -> float:
    below = int(rank)
    above = min(below + 1, len(values) - 1)
    return values[below] + (values[above] - values[below]) * (rank - below)


def _parse(blob: bytes) -> "tuple[array[int], array[int], array[int]]":
    """Return the exact values, the buckets in order, and their counts."""
    if len(blob) < _HEADER.size or blob[0] != _VERSION:
        raise ValueError(
            "These bytes are not a histogram of a version that this tracebot can read."
        )
    start = _HEADER.size + 8 * _HEADER.unpack_from(blob)[1]
    buckets, rest = divmod(len(blob) - start, 6)
    if buckets < 0 or rest:
        raise ValueError("These bytes are a histogram that was cut off.")
    exact, indices, counts = array("Q"), array("H"), array("I")
    exact.frombytes(blob[_HEADER.size : start])
    if buckets:
        indices.frombytes(blob[start : start + 2 * buckets])
        counts.frombytes(blob[start + 2 * buckets :])
    if BIG_ENDIAN:
        for values in (exact, indices, counts):
            values.byteswap()
    return exact, indices, counts


def _packed(exact: "array[int]", indices: "array[int]", counts: "array[int]") -> bytes:
    head = _HEADER.pack(_VERSION, len(exact))
    if BIG_ENDIAN:
        for values in (exact, indices, counts):
            values.byteswap()
    return head + exact.tobytes() + indices.tobytes() + counts.tobytes()
