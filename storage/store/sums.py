"""Keep sums of figures within what a column takes, whatever was recorded or received.

A sum that did not fit would be refused at each attempt, with all that is added beside it.
"""

from typing import Any

from peewee import EXCLUDED, SQL, Case

from storage.model.token_counts import HIGHEST


def bounded(sums: tuple[int, ...]) -> tuple[int, ...]:
    """Return the same sums, each of them at most `HIGHEST`, or as far below zero."""
    if max(sums) <= HIGHEST and min(sums) >= -HIGHEST:
        return sums
    return tuple(max(-HIGHEST, min(each, HIGHEST)) for each in sums)


def bounded_sum(model: Any, name: str) -> Any:
    """Return the SQL of a stored figure and what an upsert adds to it, bounded as well."""
    total = getattr(model, name) + getattr(EXCLUDED, name)
    # Written out, as the only values of such a statement are those of its rows.
    highest, lowest = SQL(str(HIGHEST)), SQL(str(-HIGHEST))
    return Case(None, [(total > highest, highest), (total < lowest, lowest)], total)
