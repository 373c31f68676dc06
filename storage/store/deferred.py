"""Do the work that batches leave for later, for all processes, and in one process at a time.

A batch keeps other writers waiting for as long as its transaction is open. So it only stores facts
for the rollups, and puts the summaries that it changes into the queue of the search index; queries
read both. Each writer adds them up about once a second, in short transactions between its batches.
"""

from storage.database.base import Database
from storage.database.lock_files import locked
from storage.store.facts import merge_facts
from storage.store.search_index import add_all


def run_deferred_work(database: Database, *, until: float, deadline: float) -> bool:
    """Merge facts and index traces until there are none, or until the monotonic time `until`.

    Return False if there are some left. Waits for other writers for at most `deadline` seconds in
    each transaction. Leaves everything to another process that is at it just now: two would read
    the same facts, and would wait for each other in every transaction.
    """
    lock_file = database.path.with_name(f"{database.path.name}.merging")
    try:
        with locked(lock_file, patience=0):
            try:
                merged = merge_facts(database, until=until, deadline=deadline)
            finally:  # A search must not wait for statistics that are refused.
                indexed = add_all(database, until=until, deadline=deadline)
            return merged and indexed
    except BlockingIOError:
        return True
