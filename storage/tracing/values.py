"""Copy what a caller records as plain values, which no later change or odd method can spoil.

The writer's thread reads a span's values some time after they were set. A list may have grown by
then, and an object's `str` may fail, or belong to the thread that made it. So everything but
numbers, text, booleans and None is copied when it is set.
"""

from collections.abc import Iterable, Mapping
from enum import Enum
from itertools import islice
from typing import Any

from storage.tracing.failures import report_failure

PLAIN = frozenset((str, int, float, bool, type(None)))
"""The types of values that are taken as they are. A subclass may have odd methods."""

TEXT = frozenset((str,))
"""The type of names that are taken as they are."""

MAX_DEPTH = 8
MAX_ITEMS = 1_000
"""How deep and how wide a value is copied: what is beyond would not be stored either."""

MAX_COPIED = 20_000
"""How many values are copied of one attribute: a list may hold itself a thousand times."""

UNREADABLE = "[unreadable]"
"""Stands for a value whose methods fail."""


def text_of(value: object) -> str:
    """Return `str(value)`, or a mark if that fails. Never raises."""
    if type(value) is str:
        return value
    try:
        return str.__str__(str(value))  # Twice: `__str__` may return a subclass of `str`.
    except Exception:
        return UNREADABLE


def plain_attributes(attributes: Any) -> dict[str, object]:
    """Return a copy of a mapping with text as names and plain values. Never raises.

    What cannot be read is left out; that is everything if it is not a mapping.
    """
    if (
        type(attributes) is dict
        and TEXT.issuperset(map(type, attributes))
        and PLAIN.issuperset(map(type, attributes.values()))
    ):
        return attributes.copy()
    copied: dict[str, object] = {}
    try:
        for name in islice(attributes, MAX_COPIED):
            copied[text_of(name)] = _item(attributes, name)
    except Exception:
        report_failure("Some attributes")
    return copied


def _item(attributes: Any, name: object) -> object:
    try:
        return plain(attributes[name])
    except Exception:
        return UNREADABLE


def plain(value: object) -> object:
    """Return a copy of `value` made of values of `PLAIN`, lists and dicts. Never raises."""
    return value if type(value) in PLAIN else _Copy().of(value, depth=0)


class _Copy:
    """One copy, with how many values it may still take."""

    def __init__(self) -> None:
        self._left = MAX_COPIED

    def of(self, value: object, *, depth: int) -> object:
        self._left -= 1
        if type(value) in PLAIN:
            return value
        if depth >= MAX_DEPTH:
            return "[too deep]"
        try:
            return self._converted(value, depth + 1)
        except Exception:
            return text_of(value)

    def _converted(self, value: object, depth: int) -> object:
        if isinstance(value, Enum):
            return self.of(value.value, depth=depth)
        if isinstance(value, str | int | float):
            return _without_subclass(value)
        if isinstance(value, bytes | bytearray | memoryview):
            return f"[{memoryview(value).nbytes} bytes]"
        if isinstance(value, Mapping):
            pairs = self._some(value.items())
            return {text_of(name): self.of(item, depth=depth) for name, item in pairs}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.of(item, depth=depth) for item in self._some(value)]
        return text_of(value)

    def _some(self, items: Iterable[Any]) -> list[Any]:
        return list(islice(items, min(MAX_ITEMS, max(self._left, 0))))


def _without_subclass(value: str | int | float) -> str | int | float:
    if isinstance(value, str):
        return str.__str__(value)
    return int.__int__(value) if isinstance(value, int) else float.__float__(value)
