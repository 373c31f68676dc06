"""One attempt to break a promise."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """What was tried against a promise, and if the promise held; None if it could not be tried."""

    promise: str
    tried: str
    held: bool | None
    detail: str = ""


Attack = Callable[[], Iterator[Attempt]]
