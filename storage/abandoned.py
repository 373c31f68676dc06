"""Spans that a process left running when it died are ended, as `abandoned`, by the next one."""

from dataclasses import replace

from peewee import Database

from storage.batch import Batch, store_spans
from storage.database import transaction
from storage.models import SpanRow
from storage.process import is_alive, this_process
from storage.queries import span_of


def mark_abandoned(database: Database) -> int:
    """End the running spans of dead processes; how many there were."""
    running = SpanRow.select(SpanRow.process).where(SpanRow.status == "running").distinct()
    dead = [name for (name,) in running.tuples().execute(database) if name and not is_alive(name)]
    if not dead:
        return 0
    with transaction(database):
        query = SpanRow.select().where(SpanRow.status == "running", SpanRow.process.in_(dead))
        spans = [span_of(row) for row in query.dicts().execute(database)]
        batch = Batch(this_process(), 0, resumed={span.span_id for span in spans})
        batch.spans = [replace(span, status="abandoned") for span in spans]
        store_spans(database, batch)
    return len(spans)
