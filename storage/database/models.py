"""The tables, and only the tables. No type here is SQLite's or PostgreSQL's own.

Models are not bound to a database: a query is told where to run, `query.execute(database)`.
"""

from peewee import (
    SQL,
    BigAutoField,
    BigIntegerField,
    BlobField,
    CompositeKey,
    DoubleField,
    IntegerField,
    Model,
    TextField,
)


class SpanRow(Model):
    """One span, `storage.model.span.Span`. Found by trace; everything that lists reads `traces`."""

    trace_id = TextField()
    span_id = TextField()
    parent_id = TextField(null=True)
    name = TextField()
    kind = TextField()
    status = TextField()
    started_at = BigIntegerField()
    ended_at = BigIntegerField(null=True)
    duration_ns = BigIntegerField(null=True)
    platform = TextField(null=True)
    audience = TextField(null=True)
    team = TextField(null=True)
    channel = TextField(null=True)
    thread_ts = TextField(null=True)
    message_ts = TextField(null=True)
    user = TextField(null=True)
    agent = TextField(null=True)
    configured_provider = TextField(null=True)
    provider = TextField(null=True)
    model = TextField(null=True)
    input_tokens = BigIntegerField(null=True)
    output_tokens = BigIntegerField(null=True)
    cached_tokens = BigIntegerField(null=True)
    cost = BigIntegerField(null=True)
    cost_source = TextField(null=True)
    decision = TextField(null=True)
    reason = TextField(null=True)
    text = TextField(null=True)
    error_type = TextField(null=True)
    error_message = TextField(null=True)
    attributes = TextField(null=True)
    events = TextField(null=True)
    links = TextField(null=True)
    scope = TextField(null=True)
    process = TextField(null=True)

    class Meta:
        table_name = "spans"
        primary_key = CompositeKey("trace_id", "span_id")


class TraceRow(Model):
    """One summary a trace, kept by the writer in the transaction that stores its spans."""

    trace_id = TextField(primary_key=True)
    rooted = IntegerField()
    """1 when name, status and times are the root span's, 0 while only its children are known."""
    name = TextField(null=True)
    status = TextField()
    platform = TextField(null=True)
    audience = TextField(null=True)
    team = TextField(null=True)
    channel = TextField(null=True)
    thread_ts = TextField(null=True)
    message_ts = TextField(null=True)
    user = TextField(null=True)
    agent = TextField(null=True)
    provider = TextField(null=True)
    model = TextField(null=True)
    started_at = BigIntegerField()
    ended_at = BigIntegerField(null=True)
    duration_ns = BigIntegerField(null=True)
    span_count = IntegerField()
    error_count = IntegerField()
    input_tokens = BigIntegerField(null=True)
    output_tokens = BigIntegerField(null=True)
    cached_tokens = BigIntegerField(null=True)
    cost = BigIntegerField(null=True)
    decision = TextField(null=True)
    reason = TextField(null=True)
    text = TextField(null=True)
    error_message = TextField(null=True)

    class Meta:
        table_name = "traces"


NOT_OK = SQL("\"status\" <> 'ok'")
"""Of few rows: the others are found by their time. A query says the same words to use the index."""


class RollupRow(Model):
    """Counts and latency of one dimension's key, in one hour or one UTC day, for one audience."""

    level = TextField()
    """`hour` or `day`."""
    starts_at = BigIntegerField()
    dimension = TextField()
    """`all`, `agent`, `provider`, `model`, `platform`, `channel`, `user` or `decision`."""
    key = TextField()
    audience = TextField()
    team = TextField()
    traces = BigIntegerField()
    errors = BigIntegerField()
    input_tokens = BigIntegerField()
    output_tokens = BigIntegerField()
    cached_tokens = BigIntegerField()
    cost = BigIntegerField()
    priced = BigIntegerField()
    """How many calls had a known cost: 0 says that `cost` is unknown, not nothing."""
    latency = BlobField(null=True)
    """A `storage.store.histogram.Histogram`."""

    class Meta:
        table_name = "rollups"
        primary_key = CompositeKey("level", "dimension", "starts_at", "audience", "key")


class MetricRow(Model):
    id = BigAutoField()
    name = TextField()
    value = DoubleField()
    labels = TextField(null=True)
    recorded_at = BigIntegerField()
    trace_id = TextField(null=True)
    span_id = TextField(null=True)

    class Meta:
        table_name = "metrics"


class LogRow(Model):
    id = BigAutoField()
    level = TextField()
    message = TextField()
    attributes = TextField(null=True)
    recorded_at = BigIntegerField()
    trace_id = TextField(null=True)
    span_id = TextField(null=True)

    class Meta:
        table_name = "logs"


class ScoreRow(Model):
    """Feedback on a trace. The key lets a reaction that is taken back take its score along."""

    trace_id = TextField()
    name = TextField()
    user = TextField()
    value = DoubleField()
    label = TextField(null=True)
    recorded_at = BigIntegerField()

    class Meta:
        table_name = "scores"
        primary_key = CompositeKey("trace_id", "name", "user")


class LeaseRow(Model):
    """Something that is to happen once across processes: an event handled, a digest sent."""

    key = TextField(primary_key=True)
    owner = TextField()
    claimed_at = BigIntegerField()
    expires_at = BigIntegerField()
    """When another may take over what was not done."""
    done_at = BigIntegerField(null=True)

    class Meta:
        table_name = "claims"


class SubscriptionRow(Model):
    """A channel's morning digest, at its local time."""

    team = TextField()
    channel = TextField()
    local_time = TextField()
    """`HH:MM`."""
    time_zone = TextField()
    """An IANA name, such as `Europe/Berlin`."""
    created_by = TextField()
    created_at = BigIntegerField()

    class Meta:
        table_name = "subscriptions"
        primary_key = CompositeKey("team", "channel")


class ProcessRow(Model):
    """A writer of some process. Its last batch number makes the replay of a batch harmless."""

    process = TextField(primary_key=True)
    """`storage.coordination.process_identity.new_writer`'s name, which no later one repeats."""
    started_at = BigIntegerField()
    last_batch = BigIntegerField()

    class Meta:
        table_name = "processes"


class RemovedTraceRow(Model):
    """What is left of a trace that retention removed: that it was, and who might have seen it."""

    trace_id = TextField(primary_key=True)
    removed_at = BigIntegerField()
    audience = TextField(null=True)
    team = TextField(null=True)
    channel = TextField(null=True)

    class Meta:
        table_name = "tombstones"


class JournalRow(Model):
    """How each kind of upkeep went the last time: a check, a checkpoint, a recovery."""

    name = TextField(primary_key=True)
    at = BigIntegerField()
    ok = IntegerField()
    details = TextField(null=True)
    """JSON, as `storage.upkeep.journal` writes it."""

    class Meta:
        table_name = "maintenance"


TABLES: tuple[type[Model], ...] = (
    SpanRow,
    TraceRow,
    RollupRow,
    MetricRow,
    LogRow,
    ScoreRow,
    LeaseRow,
    SubscriptionRow,
    ProcessRow,
    RemovedTraceRow,
    JournalRow,
)

# Lists are newest first. What else they ask of every row stands in the index, so that rows which
# are passed over are never read.
_ASKED = (TraceRow.started_at, TraceRow.audience, TraceRow.decision)
for _index in (
    TraceRow.index(*_ASKED),
    TraceRow.index(TraceRow.agent, *_ASKED, where=TraceRow.agent.is_null(False)),
    TraceRow.index(TraceRow.status, *_ASKED, where=NOT_OK),
    TraceRow.index(TraceRow.channel, *_ASKED, where=TraceRow.channel.is_null(False)),
    TraceRow.index(TraceRow.user, *_ASKED, where=TraceRow.user.is_null(False)),
    TraceRow.index(TraceRow.platform, *_ASKED),
    TraceRow.index(
        *(TraceRow.audience, TraceRow.started_at, TraceRow.decision),
        where=TraceRow.audience.is_null(False),
    ),
    TraceRow.index(
        *(TraceRow.thread_ts, TraceRow.channel, TraceRow.started_at),
        where=TraceRow.thread_ts.is_null(False),
    ),
    TraceRow.index(
        *(TraceRow.message_ts, TraceRow.channel, TraceRow.started_at),
        where=TraceRow.message_ts.is_null(False),
    ),
):
    TraceRow.add_index(_index)
SpanRow.add_index(SpanRow.index(SpanRow.process, where=SpanRow.status == "running"))
MetricRow.add_index(MetricRow.index(MetricRow.name, MetricRow.recorded_at))
LogRow.add_index(LogRow.index(LogRow.trace_id))
