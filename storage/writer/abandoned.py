"""Mark spans that a dead process left running as `abandoned`.

They stay `running` while anything that the process recorded waits in the spool, because their ends
may be there. Received spans name no process of ours: their ends are waited for during a day.
"""

import time
from dataclasses import replace

from storage.coordination.process_identity import this_process
from storage.database.base import Database
from storage.database.models import SpanRow
from storage.database.transactions import transaction
from storage.model.batch import Batch
from storage.model.span import span_of
from storage.store.batch import store_spans
from storage.store.spool_files import has_waiting, spool_folder

RECEIVED_NS = 24 * 3_600 * 1_000_000_000
"""How long the end of a received span is waited for, in nanoseconds."""


def mark_abandoned(database: Database) -> int:
    """End the running spans of dead processes. Return how many there were."""
    running = SpanRow.select(SpanRow.process).where(SpanRow.status == "running").distinct()
    names = [name for (name,) in running.tuples().execute(database)]
    if not names:
        return 0
    from storage.coordination.heartbeats import (
        dead_processes,
    )  # Most commands that record end here.

    folder = spool_folder(database.path)
    ended = dead_processes(database, [name for name in names if name])
    dead = [name for name in ended if not has_waiting(folder, name)]
    late = SpanRow.process.is_null() & (SpanRow.started_at < time.time_ns() - RECEIVED_NS)
    query = SpanRow.select().where(SpanRow.status == "running", SpanRow.process.in_(dead) | late)
    if not query.exists(database):  # The bot asks every other second, and writers need not wait.
        return 0
    with transaction(database):
        spans = [span_of(row) for row in query.dicts().execute(database)]
        batch = Batch(this_process(), 0, resumed={span.span_id for span in spans})
        batch.spans = [replace(span, status="abandoned") for span in spans]
        store_spans(database, batch)
    return len(spans)
