"""Erase from a batch what somebody asked to forget, before the batch is stored.

What is recorded may arrive after its erasure: from a turn that was running, from the writer's
queue, from another process, or from a spool that waited while the database was locked.
"""

import shutil
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from storage.database.base import Database
from storage.database.models import SpanRow, TraceRow
from storage.model.batch import Batch
from storage.model.erasure import (
    CONTEXT,
    REPLACED,
    Conversation,
    Erasure,
    Reach,
    is_question,
    replaced_by,
    strip,
)
from storage.model.records import Log, Metric, Score
from storage.model.semconv import READ_THREAD, REPLY
from storage.model.span import Span, span_of
from storage.model.trace_context import began_at
from storage.store.erasing_rows import ERASED_MESSAGE, erase_rows
from storage.store.erasure_log import LATE_NS
from storage.store.shared_erasures import known_since, newest

LOOKED_UP = 500

FIRST_NS = 1_700_000_000 * 1_000_000_000
"""A time before our first trace. Ids of other programs' traces mostly say one before or after."""


def screen(database: Database, batch: Batch) -> dict[str, Reach]:
    """Erase from the batch, within the caller's transaction, and return which traces it concerns.

    In the transaction, because an erasure that is not in the log yet will find what is committed.
    """
    if not (last := newest(database)):
        return {}
    ids = {each for each in _trace_ids(batch) if FIRST_NS < began_at(each) <= last + LATE_NS}
    if not ids:
        return {}
    erasures = known_since(database, min(map(began_at, ids)) - LATE_NS)
    if not erasures:
        return {}
    reaches: dict[str, Reach] = {
        trace_id: reach
        for trace_id, conversation in _conversations(database, batch, ids).items()
        if (reach := furthest(erasures, conversation)) is not Reach.NOTHING
    }
    _strip(database, batch, reaches)
    batch.scores = [_without_words(score, reaches, erasures) for score in batch.scores]
    # Only now it may be known what a trace posted or read, so also what was stored of it before. A
    # question has been erased already, or has its new text.
    erase_rows(database, dict.fromkeys(reaches, Reach.QUOTES))
    return reaches


def furthest(erasures: Iterable[Erasure], conversation: Conversation) -> Reach:
    """Return how much of a trace the erasures concern together."""
    found = (erasure.reach(conversation) for erasure in erasures)
    return max(found, key=lambda reach: reach.value, default=Reach.NOTHING)


def conversations(database: Database, trace_ids: Collection[str]) -> dict[str, Conversation]:
    """Return the stored facts of traces on which an erasure depends."""
    ids, found = list(trace_ids), {}
    columns = (TraceRow.trace_id, TraceRow.started_at, *(getattr(TraceRow, n) for n in CONTEXT))
    for start in range(0, len(ids), LOOKED_UP):
        some = ids[start : start + LOOKED_UP]
        traces = TraceRow.select(*columns).where(TraceRow.trace_id.in_(some))
        for row in traces.dicts().execute(database):
            trace_id = row.pop("trace_id")
            found[trace_id] = Conversation(**row)
        tells = SpanRow.name.in_((READ_THREAD, REPLY)) | SpanRow.parent_id.is_null()
        spans = SpanRow.select().where(SpanRow.trace_id.in_(some), tells)
        for span in map(span_of, spans.dicts().execute(database)):
            if span.trace_id in found:
                found[span.trace_id] = found[span.trace_id].with_facts_of(span)
    return found


def without_files(database: Database, reaches: Mapping[str, Reach]) -> frozenset[str]:
    """Return the traces whose files are erased as well.

    An agent is also given files of others' messages. While it works on somebody else's question it
    keeps them: an edit of an earlier message must not take away the files of that question.
    """
    quoting = [each for each, reach in reaches.items() if reach is Reach.QUOTES]
    kept: set[str] = set()
    for start in range(0, len(quoting), LOOKED_UP):
        some = TraceRow.trace_id.in_(quoting[start : start + LOOKED_UP])
        query = TraceRow.select(TraceRow.trace_id).where(some, TraceRow.status == "running")
        kept.update(row[0] for row in query.tuples().execute(database))
    return frozenset(reaches.keys() - kept)


def turns_with_files(database: Path) -> set[str]:
    """Return the ids of the traces that have a folder with files on this machine."""
    folder = database.parent / "files"
    turns = folder.iterdir() if folder.is_dir() else ()
    return {turn.name.partition("-")[0] for turn in turns}


def remove_files(database: Path, trace_ids: Collection[str]) -> int:
    """Delete the folders with the files of these turns, and return how many files there were."""
    folder, removed = database.parent / "files", 0
    for turn in folder.iterdir() if trace_ids and folder.is_dir() else ():
        if turn.name.partition("-")[0] in trace_ids and not turn.is_symlink():
            with suppress(FileNotFoundError):  # Another process deletes them, too.
                removed += sum(not path.is_dir() for path in turn.rglob("*"))
                shutil.rmtree(turn)
    return removed


def _trace_ids(batch: Batch) -> set[str]:
    """Return the traces in the batch that can belong to a person."""
    ids = {span.trace_id for span in batch.spans if span.user or span.channel}
    beside: tuple[Metric | Log | Score, ...] = (*batch.metrics, *batch.logs, *batch.scores)
    return ids | {item.trace_id for item in beside if item.trace_id}


def _conversations(
    database: Database, batch: Batch, ids: Collection[str]
) -> dict[str, Conversation]:
    found = conversations(database, ids)
    for span in batch.spans:
        if span.trace_id in ids:
            # Not the time of the span: that of its trace decides, which its id tells.
            known = found.get(span.trace_id) or Conversation(started_at=began_at(span.trace_id))
            found[span.trace_id] = known.with_facts_of(span)
    return found


def _strip(database: Database, batch: Batch, reaches: Mapping[str, Reach]) -> None:
    for span in batch.spans:
        if reach := reaches.get(span.trace_id):
            # If its start is stored, then an edit may have replaced its text already.
            if is_question(span) and (stored := _replaced(database, span)):
                span.text = stored.text
                span.attributes = {**span.attributes, REPLACED: stored.attributes[REPLACED]}
            strip(span, reach)
    batch.metrics = [
        replace(item, labels={}) if item.trace_id in reaches else item for item in batch.metrics
    ]
    batch.logs = [
        replace(item, message=ERASED_MESSAGE, attributes={}) if item.trace_id in reaches else item
        for item in batch.logs
    ]


def _without_words(
    score: Score, reaches: Mapping[str, Reach], erasures: Iterable[Erasure]
) -> Score:
    """Return the score without what the erasures of its trace, or of its user, concern."""
    reach = reaches.get(score.trace_id, Reach.NOTHING)
    if any(each.user == score.user and score.recorded_at <= each.at for each in erasures):
        reach = Reach.ALL
    if reach is Reach.NOTHING:
        return score
    return replace(score, text=None, label=None if reach is Reach.ALL else score.label)


def _replaced(database: Database, question: Span) -> Span | None:
    """Return what is stored of a question, None unless its text was replaced."""
    query = SpanRow.select().where(
        SpanRow.trace_id == question.trace_id, SpanRow.span_id == question.span_id
    )
    return next(filter(replaced_by, map(span_of, query.dicts().execute(database))), None)
