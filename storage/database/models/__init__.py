"""The tables. Every type here exists on SQLite and on PostgreSQL.

A change here needs a migration, see `storage.database.migrations`. Index names contain the name of
their class.

Models are not bound to a database: pass it to each query, `query.execute(database)`.
"""

from peewee import Model

from storage.database.models.alerts import (
    AlertRuleRow,
    AlertStateRow,
    IssueStateRow,
    SubscriptionRow,
)
from storage.database.models.budgets import BudgetRow, ReservationRow
from storage.database.models.coordination import (
    HOLDS_LANE,
    AcceptedMessageRow,
    AgentSessionRow,
    HeartbeatRow,
    LeaseRow,
    NoticeRow,
    PrivateChannelRow,
    ProcessRow,
    UnfinishedReplyRow,
)
from storage.database.models.records import LogRow, MetricRow, ScoreRow
from storage.database.models.rollups import FactRow, RollupRow
from storage.database.models.traces import NOT_OK, RATED_DOWN, RATED_UP, SpanRow, TraceRow
from storage.database.models.upkeep import ErasureRow, JournalRow, RemovedTraceRow

__all__ = [
    "AcceptedMessageRow",
    "AgentSessionRow",
    "AlertRuleRow",
    "AlertStateRow",
    "BudgetRow",
    "ErasureRow",
    "FactRow",
    "HOLDS_LANE",
    "HeartbeatRow",
    "IssueStateRow",
    "JournalRow",
    "LeaseRow",
    "LogRow",
    "MetricRow",
    "NOT_OK",
    "NoticeRow",
    "PrivateChannelRow",
    "ProcessRow",
    "RATED_DOWN",
    "RATED_UP",
    "RemovedTraceRow",
    "ReservationRow",
    "RollupRow",
    "ScoreRow",
    "SpanRow",
    "SubscriptionRow",
    "TABLES",
    "TraceRow",
    "UnfinishedReplyRow",
]

TABLES: tuple[type[Model], ...] = (
    SpanRow,
    TraceRow,
    RollupRow,
    FactRow,
    MetricRow,
    LogRow,
    ScoreRow,
    LeaseRow,
    SubscriptionRow,
    ErasureRow,
    IssueStateRow,
    ProcessRow,
    RemovedTraceRow,
    JournalRow,
    PrivateChannelRow,
    AcceptedMessageRow,
    UnfinishedReplyRow,
    AgentSessionRow,
    BudgetRow,
    ReservationRow,
    AlertRuleRow,
    AlertStateRow,
    HeartbeatRow,
    NoticeRow,
)
