"""Mark spans that a dead process left running as `abandoned`.

Not while some of what it recorded waits in the spool, because their ends may be there.
"""

from dataclasses import replace
from pathlib import Path

from peewee import Database

from storage.coordination.process_identity import is_alive, this_process
from storage.database.models import SpanRow
from storage.database.transactions import transaction
from storage.model.batch import Batch
from storage.model.span import span_of
from storage.store.batch import store_spans
from storage.writer.spool import has_waiting, spool_folder


def mark_abandoned(database: Database) -> int:
    """End the running spans of dead processes. Return how many there were."""
    running = SpanRow.select(SpanRow.process).where(SpanRow.status == "running").distinct()
    names = [name for (name,) in running.tuples().execute(database) if name]
    folder = spool_folder(Path(database.database))
    dead = [name for name in names if not is_alive(name) and not has_waiting(folder, name)]
    if not dead:
        return 0
    with transaction(database):
        query = SpanRow.select().where(SpanRow.status == "running", SpanRow.process.in_(dead))
        spans = [span_of(row) for row in query.dicts().execute(database)]
        batch = Batch(this_process(), 0, resumed={span.span_id for span in spans})
        batch.spans = [replace(span, status="abandoned") for span in spans]
        store_spans(database, batch)
    return len(spans)
