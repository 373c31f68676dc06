"""Erase what a person wrote, or one message, from everything that is stored.

An erasure is first added to the log (`storage.store.erasure_log`). From then on it holds for what
is stored later (`storage.store.erasing`); this module applies it to what is stored already. The
journal knows how far a database has followed the log, so one that was restored from an older backup
catches up.
"""

import socket
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from storage.database.base import Database
from storage.database.models import JournalRow, ScoreRow, SpanRow, TraceRow
from storage.database.transactions import transaction
from storage.model.erasure import REPLACED, Erasure, Reach
from storage.model.redaction import redact
from storage.model.semconv import READ_THREAD
from storage.model.span import span_of
from storage.store.erasing import conversations, furthest, remove_files, without_files
from storage.store.erasing_rows import erase_rows
from storage.store.erasure_log import LATE_NS, erasure_log, erasures_from
from storage.store.search_index import purge
from storage.store.shared_erasures import known_since, left_by_others, mark_applied, share
from storage.store.span_rows import as_json
from storage.upkeep.checkpoint import CheckpointResult, checkpoint
from storage.upkeep.journal import JournalEntry, last_entry, put_entry

TRACES_A_TRANSACTION = 50
CHECKPOINT_TRIES, CHECKPOINT_WAIT_S = 20, 0.1
JOURNAL = "erasure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """How many messages an erasure concerns, and how many spans of their traces held text.

    `quoting` are messages of others, whose traces may quote what is erased.
    """

    messages: int = 0
    quoting: int = 0
    spans: int = 0
    files: int = 0


def erase(database: Database, erasure: Erasure) -> Erased:
    """Erase what is stored, a few traces in each transaction. Doing it again changes nothing."""
    # Whoever is storing a batch at this moment may not have seen the log: wait for its commit.
    with transaction(database):
        share(database, erasure)
    reaches, erased = reached(database, erasure)
    ids, spans = list(reaches), 0
    for start in range(0, len(ids), TRACES_A_TRANSACTION):
        some = {each: reaches[each] for each in ids[start : start + TRACES_A_TRANSACTION]}
        with transaction(database):
            spans += erase_rows(database, some)
    if erasure.user is not None:
        _erase_labels(database, erasure.user)
    files = remove_files(database.path, without_files(database, reaches))
    purge(database)
    mark_applied(database, erasure)
    return replace(erased, spans=spans, files=files)


def plan(database: Database, erasure: Erasure) -> Erased:
    """Return how many messages `erase` would concern."""
    return reached(database, erasure)[1]


def apply_pending(database: Database) -> int:
    """Apply the erasures that this database has not followed yet, and return how many."""
    name = erasures_journal(database)
    done = last_entry(database, name)
    position = int(done.details.get("position", 0)) if done else 0
    seen = int(done.details.get("seen", 0)) if done else 0
    pending, end = erasures_from(erasure_log(database.path), position)
    for erasure in pending:
        erase(database, erasure)
    others = left_by_others(database, now=time.time_ns())
    for erasure in others:
        erase(database, erasure)
    latest = _remove_files_here(database, since=seen - LATE_NS)
    if pending or latest > seen:
        details = {"position": end, "seen": max(latest, seen)}
        entry = JournalEntry(name=name, at=time.time_ns(), ok=True, details=details)
        with transaction(database):
            put_entry(database, entry)
    return len(pending) + len(others)


def _remove_files_here(database: Database, *, since: int) -> int:
    """Delete the files of turns that another machine's erasures concern, and return the last one.

    Files are not in the database: each machine has those of its own turns.
    """
    if not database.on_server:
        return 0
    erasures = known_since(database, since)
    for erasure in erasures:
        concerned = without_files(database, reached(database, erasure)[0])
        remove_files(database.path, concerned)
    return max((erasure.at for erasure in erasures), default=0)


def erasures_journal(database: Database) -> str:
    """Return the name of the journal's entry on how far the log of this machine is followed."""
    return f"{JOURNAL}:{socket.gethostname()}" if database.on_server else JOURNAL


def apply_all(database: Database) -> int:
    """Apply every erasure again, because rows of an older database were added."""
    with transaction(database):
        JournalRow.delete().where(JournalRow.name == JOURNAL).execute(database)
    return apply_pending(database)


def replace_text(database: Database, edit: Erasure, text: str) -> None:
    """Store the new text of an edited message, after its old one was erased.

    Nothing is stored if the message was edited or deleted again, or its author forgotten.
    """
    question = (
        SpanRow.channel == edit.channel,
        SpanRow.message_ts == edit.message_ts,
        SpanRow.parent_id.is_null(),
        SpanRow.scope.is_null(),
    )
    text = redact(text)
    with transaction(database):
        known = known_since(database, edit.at - LATE_NS)
        later = [each for each in known if each.overrules(edit)]
        questions = list(map(span_of, SpanRow.select().where(*question).dicts().execute(database)))
        found = conversations(database, {span.trace_id for span in questions})
        for span in questions:
            # A later edit whose new text is there already concerns the whole of the older one.
            if furthest(later, replace(found[span.trace_id], replaced_by="")) is Reach.ALL:
                continue
            attributes = as_json({**span.attributes, REPLACED: edit.edited_ts})
            own = (SpanRow.trace_id == span.trace_id, SpanRow.span_id == span.span_id)
            SpanRow.update(text=text, attributes=attributes).where(*own).execute(database)
            of_trace = TraceRow.trace_id == span.trace_id
            TraceRow.update(text=text).where(of_trace).execute(database)


def empty_log(database: Database) -> CheckpointResult:
    """Move what was erased out of SQLite's write-ahead log, which still has the text.

    Wait about two seconds for readers. If they are in the way, the daily checkpoint does it, or
    Litestream, if it replicates the database.
    """
    for _ in range(CHECKPOINT_TRIES):
        result = checkpoint(database, "truncate")
        if result.complete or result.left:
            break
        time.sleep(CHECKPOINT_WAIT_S)
    return result


def reached(database: Database, erasure: Erasure) -> tuple[dict[str, Reach], Erased]:
    """Return which stored traces an erasure concerns, how much of each, and their numbers."""
    found = conversations(database, _candidates(database, erasure))
    all_reaches = {trace_id: erasure.reach(trace) for trace_id, trace in found.items()}
    reaches: dict[str, Reach] = {}
    reaches |= {each: reach for each, reach in all_reaches.items() if reach is not Reach.NOTHING}
    # Commands and the Home tab leave traces, too, but not of a message.
    counts = Counter(reach for each, reach in reaches.items() if found[each].message_ts)
    return reaches, Erased(messages=counts[Reach.ALL], quoting=counts[Reach.QUOTES])


def _candidates(database: Database, erasure: Erasure) -> set[str]:
    ids = TraceRow.select(TraceRow.trace_id)
    if erasure.user is None:
        thread = erasure.thread_ts or erasure.message_ts
        in_channel = ids.where(TraceRow.channel == erasure.channel)
        queries: Sequence[Any] = (
            in_channel.where(TraceRow.message_ts == erasure.message_ts),
            in_channel.where(TraceRow.thread_ts == thread),
        )
    else:
        # This reads every span. It is rare enough not to need an index that each batch pays for.
        readers = SpanRow.select(SpanRow.trace_id).where(
            SpanRow.name == READ_THREAD, SpanRow.attributes.contains(erasure.user)
        )
        queries = (ids.where(TraceRow.user == erasure.user), readers)
    return {row[0] for query in queries for row in query.tuples().execute(database)}


def _erase_labels(database: Database, user: str) -> None:
    """Erase the words of a user beside their ratings of what others asked."""
    with transaction(database):
        ScoreRow.update(label=None, text=None).where(ScoreRow.user == user).execute(database)
