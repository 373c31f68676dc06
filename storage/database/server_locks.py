"""The statement that begins a transaction on a server, with the locks that it needs."""

from collections.abc import Collection
from zlib import crc32

DDL_WAIT_S = 1.0
"""How long a statement of a transaction waits for a lock on a table. While it waits for one that
nobody else may hold, all who come later wait behind it."""

WRITING = 0x74626F7400000001
"""Key of the advisory lock on everything: `tbot` in ASCII, and a number."""

OF_NAMES = 0x74626F74
"""First half of the keys of locks on single things. The other half is the CRC-32 of their names:
two things with the same one wait for each other for no reason, which does no harm."""

MOST_LOCKS = 250
"""On single things in one transaction. A server has room for 6,400 of all its transactions."""

PLANS = (
    "SET LOCAL enable_seqscan = off; SET LOCAL jit = off; SET LOCAL work_mem = '32MB'; "
    "SET LOCAL parallel_setup_cost = 10000"
)
"""Settings of the server's planner, until the end of the transaction.

Everything that is looked up has an index. A server that has not counted the rows of a new table
yet, or that guesses how many have a word, would still read the whole table each time. It also
guesses that the groups of statistics take more than its usual 4 MB, and would sort their rows
instead of hashing them, which takes half as long again. And it would have 140,000 entries of an
index read by three processes, which takes longer than by one, and half as much processor time
again; from about a million on it still does.
"""


def begin_statement(*, patience: float, of: Collection[str] | None) -> str:
    """Begin to write, and wait `patience` seconds for those who write the same, see `_locks`."""
    return (
        f"BEGIN; SET LOCAL lock_timeout = {milliseconds(patience)}; {_locks(of)}; "
        f"SET LOCAL lock_timeout = {milliseconds(DDL_WAIT_S)}; {PLANS}"
    )


def _locks(names: Collection[str] | None) -> str:
    """Return the statement that locks the things with these names, or everything.

    Everything has one lock, which is shared by those who lock single things. All take the locks on
    single things in the same order, so that no two wait for each other.
    """
    if names is None or len(names) > MOST_LOCKS:
        return f"SELECT pg_advisory_xact_lock({WRITING})"
    shared = f"SELECT pg_advisory_xact_lock_shared({WRITING})"
    keys = sorted({crc32(name.encode()) - 2**31 for name in names})
    if not keys:
        return shared
    places = f"unnest('{{{','.join(map(str, keys))}}}'::int[])"
    return f"{shared}; SELECT pg_advisory_xact_lock({OF_NAMES}, key) FROM {places} AS key"


def milliseconds(seconds: float) -> int:
    return max(int(seconds * 1000), 1)  # 0 would be without a limit.
