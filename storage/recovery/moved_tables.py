"""Say which tables `tracebot move` copies, and by which of their columns it divides them."""

from dataclasses import dataclass
from typing import Any

from peewee import Model

from storage.database.models import (
    AcceptedMessageRow,
    AgentSessionRow,
    AlertRuleRow,
    AlertStateRow,
    BudgetRow,
    ErasureRow,
    FactRow,
    HeartbeatRow,
    IssueStateRow,
    JournalRow,
    LeaseRow,
    LogRow,
    MetricRow,
    NoticeRow,
    PrivateChannelRow,
    ProcessRow,
    RemovedTraceRow,
    ReservationRow,
    RollupRow,
    ScoreRow,
    SpanRow,
    SubscriptionRow,
    TraceRow,
    UnfinishedReplyRow,
)
from storage.model.text import MAX_KEY
from storage.store.span_rows import NAME_FIELDS


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedTable:
    """A table, or a part of one, that is the same in both databases after a move."""

    model: type[Model]
    by: tuple[str, ...] = ()
    """Columns by whose order it is divided into pieces; the beginning of an index.

    Only numbers, ids in hexadecimal digits and our own words in small letters, which every
    collation of a server sorts like SQLite. Without any, the table is small and one piece.
    """
    only: str = ""
    """SQL: which rows move, if not all."""
    watched: tuple[str, ...] = ()
    """Columns that may change after a row was stored, if not all."""

    @property
    def _meta(self) -> Any:
        return self.model._meta

    @property
    def name(self) -> str:
        return str(self._meta.table_name)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(field.column_name for field in self._meta.sorted_fields)

    @property
    def key(self) -> tuple[str, ...]:
        return tuple(field.column_name for field in self._meta.get_primary_keys())

    @property
    def kinds(self) -> dict[str, str]:
        """Return the type of each column, such as `BIGINT`."""
        return {field.column_name: field.field_type for field in self._meta.sorted_fields}

    @property
    def limits(self) -> dict[str, int]:
        """Return how many bytes of text each column may have that an index of a server holds."""
        indexed = {
            getattr(field, "column_name", "")
            for index in self._meta.fields_to_index()
            for field in index._expressions
        }
        names = {*indexed, *self.key, *NAME_FIELDS, *LONG_KEYS} & set(self.columns)
        return {name: LONG_KEYS.get(name, MAX_KEY) for name in names}


LONG_KEYS = {"audience": 2 * MAX_KEY, "key": 2 * MAX_KEY + 50}
"""Bytes of keys that are made of two names: of a conversation, of statistics."""


RECORDS = (
    MovedTable(model=TraceRow, by=("trace_id",)),
    MovedTable(
        model=SpanRow,
        by=("trace_id", "span_id"),
        watched=(
            *("ended_at", "name", "status", "audience", "text", "error_type", "error_message"),
            *("attributes", "events", "links", "process"),
        ),
    ),
    MovedTable(model=LogRow, by=("id",)),
    MovedTable(model=MetricRow, by=("id",)),
    MovedTable(model=ScoreRow, by=("trace_id",)),
)
"""Copied while others write. All of them have a column `trace_id`."""

TOGETHER = (
    MovedTable(model=RollupRow, by=("level", "dimension", "starts_at")),
    # A fact is taken away in the transaction that adds it to the rollups.
    MovedTable(model=FactRow, by=("id",)),
    MovedTable(model=RemovedTraceRow, by=("trace_id",)),
    # What is done must not be done again. Who holds another lease is of the old database.
    MovedTable(model=LeaseRow, only='"done_at" IS NOT NULL'),
    MovedTable(model=JournalRow, only="\"name\" IN ('issues', 'retention')"),
    *(
        MovedTable(model=model)
        for model in (
            *(SubscriptionRow, BudgetRow, IssueStateRow, AlertRuleRow, AlertStateRow),
            *(PrivateChannelRow, AgentSessionRow, UnfinishedReplyRow, AcceptedMessageRow),
        )
    ),
)
"""Copied in one transaction, from one snapshot: each sum counts once at every moment."""

LEFT = (ProcessRow, ReservationRow, HeartbeatRow, NoticeRow, ErasureRow)
"""Not copied: most are about processes that use the old database; erasures are followed apart."""
