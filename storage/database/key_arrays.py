"""Send many keys to PostgreSQL as one array for each of their columns.

A statement with a placeholder for each value takes the driver a hundred times as long to read.
"""

from collections.abc import Sequence
from typing import Any

FEW_TRACES = 20

SPANS = (
    "LATERAL (SELECT * FROM spans WHERE trace_id = column1 AND span_id = column2 "
    "AND trace_id = ANY(%s::text[]) OFFSET 0) AS spans"
)
"""The spans of keys from at most `FEW_TRACES`, looked up one by one.

Because of the array, the server plans only for partitions that may have them. With many traces it
would compare each key with all of them. Because of OFFSET, it does not read a whole trace instead,
which may be long.
"""


def is_one(type_: str) -> str:
    """Return the condition of a column that it is one of the keys, with one placeholder."""
    # A join with the table of them might read all of a small table, to hash it.
    return f"= ANY(%s::{type_}[])"


def table(types: Sequence[str]) -> str:
    """Return the table of the keys, with a placeholder for each array."""
    places = ", ".join(f"%s::{each}[]" for each in types)
    columns = ", ".join(f"column{number}" for number, _ in enumerate(types, 1))
    return f"unnest({places}) AS keys ({columns})"


def arrays(keys: Sequence[Sequence[Any]]) -> list[str]:
    """Return the values of the placeholders. No value may be None."""
    return [_array(column) for column in zip(*keys, strict=True)]


def _array(values: Sequence[Any]) -> str:
    """Write an array as the server reads it: psycopg needs ten times as long for a list."""
    escaped = (str(value).replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return '{"' + '","'.join(escaped) + '"}'
