"""Hold what the modules that decode one request share: its losses, and what it may still use."""

from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from storage.otlp.losses import Losses, Malformed
from storage.otlp.repair import MAX_FIELDS, ItemTooLarge, Repair

MAX_ITEMS = 50_000
"""Spans, log records or data points in one request: what the queue always has room for."""

MAX_VALUES = 500_000
"""Attributes, and values within them, in one request. An event or a link counts as two.

Each becomes about 200 bytes of objects until it is stored.
"""

FEW_BYTES = 65_536
"""A message of this size cannot become more than a few megabytes of objects."""


ELSEWHERE = {
    "resource_spans": "send resourceSpans to /v1/traces",
    "resource_logs": "send resourceLogs to /v1/logs",
    "resource_metrics": "send resourceMetrics to /v1/metrics",
}
"""The list of each signal, and what to tell those who send it elsewhere."""


class TooManyItems(ValueError):
    """A request has more items than are taken at once. The message says how many are."""


def check_number(items: int) -> None:
    """Raise `TooManyItems` if there are more than MAX_ITEMS."""
    if items > MAX_ITEMS:
        raise TooManyItems(f"Send at most {MAX_ITEMS} items at once.")


class Request:
    """One request that is being decoded."""

    __slots__ = ("_numbers", "_repair", "_values", "losses")

    def __init__(self) -> None:
        self.losses = Losses()
        self._repair = Repair(self.losses)
        self._values = self._numbers = 0

    def add_values(self, number: int) -> None:
        """Count what becomes objects within items. Raises `TooManyItems`."""
        self._values += number
        if self._values > MAX_VALUES:
            raise TooManyItems(f"Send at most {MAX_VALUES} attributes and values at once.")

    def add_numbers(self, number: int) -> None:
        """Count numbers of data points, of which one metric may hold millions. Raises the same."""
        self._numbers += number
        check_number(self._numbers)

    def decoded(self, data: bytes, kind: Any) -> Any:
        """Return the bytes as a message, repaired if need be.

        Raises `Malformed`, and `TooManyItems` for a metric that is too large: it holds many points.
        """
        if len(data) <= FEW_BYTES:
            try:
                return kind.FromString(data)
            except DecodeError:
                pass  # As for one byte in any text that is not UTF-8.
        try:
            return kind.FromString(self._repair.message(data, kind.DESCRIPTOR))
        except ItemTooLarge:
            if kind is not Metric:
                raise
            raise TooManyItems(f"Send at most {MAX_FIELDS} values in one metric.") from None
        except DecodeError as error:
            raise Malformed(f"a message cannot be decoded: {error}") from None
