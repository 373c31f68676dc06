"""Small checks that add up to a shape: each looks at one value and says what is wrong with it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Problem:
    """`pointer` is a JSON pointer into the blocks; `message` is in Slack's words."""

    pointer: str
    message: str


Check = Callable[[Any, str], Iterator[Problem]]
"""Takes a value and where it stands."""


def string(most: int, *, least: int = 1) -> Check:
    def check(value: Any, at: str) -> Iterator[Problem]:
        if not isinstance(value, str):
            yield Problem(at, "must be a string")
        elif len(value) > most:
            yield Problem(at, f"must be less than {most + 1} characters")
        elif len(value) < least:
            yield Problem(at, f"must be more than {least - 1} characters")

    return check


def number(low: float = float("-inf"), high: float = float("inf"), *, above: bool = False) -> Check:
    """Between `low` and `high`; with `above`, not `low` itself."""

    def check(value: Any, at: str) -> Iterator[Problem]:
        if isinstance(value, bool) or not isinstance(value, int | float):
            yield Problem(at, "must be a number")
        elif not low <= value <= high or (above and value == low):
            yield Problem(at, f"must be between {low:g} and {high:g}")

    return check


def flag(value: Any, at: str) -> Iterator[Problem]:
    if not isinstance(value, bool):
        yield Problem(at, "must be a boolean")


def anything(value: Any, at: str) -> Iterator[Problem]:
    yield from ()


def choice(*words: str) -> Check:
    def check(value: Any, at: str) -> Iterator[Problem]:
        if value not in words:
            yield Problem(at, f"must be one of {', '.join(words)}")

    return check


def array(item: Check, most: int, *, least: int = 1) -> Check:
    def check(value: Any, at: str) -> Iterator[Problem]:
        if not isinstance(value, list):
            yield Problem(at, "must be an array")
            return
        if len(value) > most:
            yield Problem(at, f"no more than {most} items allowed")
        if len(value) < least:
            yield Problem(at, f"must be more than {least - 1} items")
        for index, each in enumerate(value):
            yield from item(each, f"{at}/{index}")

    return check


@dataclass(frozen=True, slots=True)
class Shape:
    """An object's fields. One of `either`, if any, must be there too;
    `beyond` sees what no field can see alone, once each of them is right."""

    required: Mapping[str, Check] = field(default_factory=dict)
    optional: Mapping[str, Check] = field(default_factory=dict)
    either: tuple[str, ...] = ()
    beyond: Check = anything

    def __call__(self, value: Any, at: str) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield Problem(at, "must be an object")
            return
        found = list(self._fields(value, at))
        yield from found or self.beyond(value, at)

    def _fields(self, value: dict[str, Any], at: str) -> Iterator[Problem]:
        fields = {**self.required, **self.optional}
        for name in self.required:
            if name not in value:
                yield Problem(at, f"missing required field: {name}")
        if self.either and not any(name in value for name in self.either):
            yield Problem(at, f"missing required field: {self.either[0]}")
        for name, each in value.items():
            if name not in fields:
                yield Problem(at, f"invalid additional property: {name}")
            else:
                yield from fields[name](each, f"{at}/{name}")


def kind(shapes: Mapping[str, Shape]) -> Check:
    """An object whose `type` says which shape it has."""

    def check(value: Any, at: str) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield Problem(at, "must be an object")
            return
        shape = shapes.get(str(value.get("type")))
        if shape is None:
            yield Problem(f"{at}/type", f"unsupported type: {value.get('type')}")
            return
        rest = {name: each for name, each in value.items() if name != "type"}
        yield from shape(rest, at)

    return check
