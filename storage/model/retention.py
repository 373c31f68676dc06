"""How long traces are kept, as a value that loads no database."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Limits on what is kept: a maximum age in nanoseconds and a maximum file size in bytes.

    `None` sets no limit.
    """

    older_than_ns: int | None = None
    max_bytes: int | None = None
