"""Small checks that combine into shapes: each looks at one value and yields its violations."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule: a JSON pointer into the blocks, and Slack's message about it."""

    pointer: str
    message: str


Check = Callable[[Any, str], Iterator[Violation]]
"""Takes a value and the JSON pointer to it."""


def string(most: int, *, least: int = 1) -> Check:
    def check(value: Any, at: str) -> Iterator[Violation]:
        if not isinstance(value, str):
            yield Violation(at, "must be a string")
        elif len(value) > most:
            yield Violation(at, f"must be less than {most + 1} characters")
        elif len(value) < least:
            yield Violation(at, f"must be more than {least - 1} characters")

    return check


def number(low: float = float("-inf"), high: float = float("inf"), *, above: bool = False) -> Check:
    """Accept numbers from `low` to `high`; with `above`, not `low` itself."""

    def check(value: Any, at: str) -> Iterator[Violation]:
        if isinstance(value, bool) or not isinstance(value, int | float):
            yield Violation(at, "must be a number")
        elif not low <= value <= high or (above and value == low):
            yield Violation(at, f"must be between {low:g} and {high:g}")

    return check


def flag(value: Any, at: str) -> Iterator[Violation]:
    if not isinstance(value, bool):
        yield Violation(at, "must be a boolean")


def anything(value: Any, at: str) -> Iterator[Violation]:
    yield from ()


def choice(*words: str) -> Check:
    def check(value: Any, at: str) -> Iterator[Violation]:
        if value not in words:
            yield Violation(at, f"must be one of {', '.join(words)}")

    return check


def array(item: Check, most: int, *, least: int = 1) -> Check:
    def check(value: Any, at: str) -> Iterator[Violation]:
        if not isinstance(value, list):
            yield Violation(at, "must be an array")
            return
        if len(value) > most:
            yield Violation(at, f"no more than {most} items allowed")
        if len(value) < least:
            yield Violation(at, f"must be more than {least - 1} items")
        for index, each in enumerate(value):
            yield from item(each, f"{at}/{index}")

    return check


@dataclass(frozen=True, slots=True)
class Shape:
    """Check an object field by field.

    If `either` names fields, one of them is required, too. `beyond` checks rules across fields,
    once every field by itself is valid.
    """

    required: Mapping[str, Check] = field(default_factory=dict)
    optional: Mapping[str, Check] = field(default_factory=dict)
    either: tuple[str, ...] = ()
    beyond: Check = anything

    def __call__(self, value: Any, at: str) -> Iterator[Violation]:
        if not isinstance(value, dict):
            yield Violation(at, "must be an object")
            return
        found = list(self._fields(value, at))
        yield from found or self.beyond(value, at)

    def _fields(self, value: dict[str, Any], at: str) -> Iterator[Violation]:
        fields = {**self.required, **self.optional}
        for name in self.required:
            if name not in value:
                yield Violation(at, f"missing required field: {name}")
        if self.either and not any(name in value for name in self.either):
            yield Violation(at, f"missing required field: {self.either[0]}")
        for name, each in value.items():
            if name not in fields:
                yield Violation(at, f"invalid additional property: {name}")
            else:
                yield from fields[name](each, f"{at}/{name}")


def kind(shapes: Mapping[str, Shape]) -> Check:
    """Check an object against the shape that its `type` names."""

    def check(value: Any, at: str) -> Iterator[Violation]:
        if not isinstance(value, dict):
            yield Violation(at, "must be an object")
            return
        shape = shapes.get(str(value.get("type")))
        if shape is None:
            yield Violation(f"{at}/type", f"unsupported type: {value.get('type')}")
            return
        rest = {name: each for name, each in value.items() if name != "type"}
        yield from shape(rest, at)

    return check
