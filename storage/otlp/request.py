"""Hold what the modules that decode one request share: its losses, and what it may still use."""

from typing import Any

from google.protobuf.message import DecodeError

from storage.otlp.losses import Losses, Malformed
from storage.otlp.repair import Repair

MAX_ITEMS = 50_000
"""Spans, log records or data points in one request: what the queue always has room for."""

MAX_ATTRIBUTES = 500_000
"""Attributes in one request. Each becomes about 200 bytes of objects until it is stored."""

FEW_BYTES = 65_536
"""A message of this size cannot become more than a few megabytes of objects."""


class TooManyItems(ValueError):
    """A request has more items than are taken at once. The message says how many are."""


def check_number(items: int) -> None:
    """Raise `TooManyItems` if there are more than MAX_ITEMS."""
    if items > MAX_ITEMS:
        raise TooManyItems(f"Send at most {MAX_ITEMS} items at once.")


class Request:
    """One request that is being decoded."""

    __slots__ = ("_attributes", "_numbers", "_repair", "losses")

    def __init__(self) -> None:
        self.losses = Losses()
        self._repair = Repair(self.losses)
        self._attributes = self._numbers = 0

    def add_attributes(self, number: int) -> None:
        """Count attributes. Raises `TooManyItems`."""
        self._attributes += number
        if self._attributes > MAX_ATTRIBUTES:
            raise TooManyItems(f"Send at most {MAX_ATTRIBUTES} attributes at once.")

    def add_numbers(self, number: int) -> None:
        """Count numbers of data points, of which one metric may hold millions. Raises the same."""
        self._numbers += number
        check_number(self._numbers)

    def decoded(self, data: bytes, kind: Any) -> Any:
        """Return the bytes as a message, repaired if need be. Raises `Malformed`."""
        if len(data) <= FEW_BYTES:
            try:
                return kind.FromString(data)
            except DecodeError:
                pass  # As for one byte in any text that is not UTF-8.
        try:
            return kind.FromString(self._repair.message(data, kind.DESCRIPTOR))
        except DecodeError as error:
            raise Malformed(f"a message cannot be decoded: {error}") from None
