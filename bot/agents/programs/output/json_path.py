"""Read JSON that somebody else wrote: a value that is missing or of another type is None."""

from collections.abc import Mapping


def at(value: object, *path: str) -> object:
    """Return the value under `path` in nested objects."""
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def text(value: object, *path: str) -> str | None:
    """Return a text that is not empty."""
    found = at(value, *path)
    return found if isinstance(found, str) and found else None


def count(value: object, *path: str) -> int | None:
    """Return a whole number that is not negative."""
    found = at(value, *path)
    return found if type(found) is int and found >= 0 else None


def items(value: object, *path: str) -> list[object]:
    """Return a list, an empty one if there is none."""
    found = at(value, *path)
    return found if isinstance(found, list) else []


def micro_dollars(value: object, *path: str) -> int | None:
    """Return an amount that is given in dollars."""
    found = at(value, *path)
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found < 1e9:
        return None
    return round(found * 1_000_000)


def any_known(parts: tuple[int | None, ...]) -> bool:
    return any(part is not None for part in parts)
