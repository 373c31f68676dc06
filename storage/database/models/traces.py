"""Spans, and the summaries of their traces."""

from peewee import SQL, BigIntegerField, CompositeKey, IntegerField, Model, TextField


class SpanRow(Model):
    """One span, see `storage.model.span.Span`. It is found by its trace; lists read `traces`."""

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
    """The summary of one trace. The writer updates it in the transaction that stores its spans."""

    trace_id = TextField(primary_key=True)
    rooted = IntegerField()
    """1 if name, status and times are the root span's, 0 while only its children are known."""
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
    usage_count = IntegerField(null=True)
    """How many spans report tokens or a cost. None if an older tracebot stored the trace."""
    thumbs_up = IntegerField(constraints=[SQL("DEFAULT 0")])
    """How many people rate it good, as counted in the rollups, see `storage.store.thumbs`."""
    thumbs_down = IntegerField(constraints=[SQL("DEFAULT 0")])

    class Meta:
        table_name = "traces"


NOT_OK = SQL("\"status\" <> 'ok'")
"""Condition of the index on status: few traces are not ok, so only those are worth an index.

A query must use this same expression, or SQLite does not use the index.
"""

RATED_UP, RATED_DOWN = SQL('"thumbs_up" > 0'), SQL('"thumbs_down" > 0')
"""Conditions of the indexes on thumbs, which a query must use in the same way."""

# Lists are newest first. The other columns that they test are in the index too, so that SQLite does
# not read rows that are then left out.
_ASKED = (TraceRow.started_at, TraceRow.audience, TraceRow.decision)
for _index in (
    TraceRow.index(*_ASKED),
    TraceRow.index(TraceRow.agent, *_ASKED, where=TraceRow.agent.is_null(False)),
    TraceRow.index(TraceRow.status, *_ASKED, where=NOT_OK),
    TraceRow.index(TraceRow.channel, *_ASKED, where=TraceRow.channel.is_null(False)),
    TraceRow.index(TraceRow.user, *_ASKED, where=TraceRow.user.is_null(False)),
    TraceRow.index(TraceRow.platform, *_ASKED),
    TraceRow.index(
        *(TraceRow.started_at, TraceRow.thumbs_up, TraceRow.audience, TraceRow.decision),
        where=RATED_UP,
    ),
    TraceRow.index(
        *(TraceRow.started_at, TraceRow.thumbs_down, TraceRow.audience, TraceRow.decision),
        where=RATED_DOWN,
    ),
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
