"""The tables. Every type here exists on SQLite and on PostgreSQL.

A change here needs a migration, see `storage.database.migrations`. Index names contain the name of
their class.

Models are not bound to a database: pass it to each query, `query.execute(database)`.
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

NONE_YET = SQL("DEFAULT 0")
"""For a count that a migration added."""


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
    thumbs_up = IntegerField(constraints=[NONE_YET])
    """How many people rate it good, as counted in the rollups, see `storage.store.thumbs`."""
    thumbs_down = IntegerField(constraints=[NONE_YET])

    class Meta:
        table_name = "traces"


NOT_OK = SQL("\"status\" <> 'ok'")
"""Condition of the index on status: few traces are not ok, so only those are worth an index.

A query must use this same expression, or SQLite does not use the index.
"""

RATED_UP, RATED_DOWN = SQL('"thumbs_up" > 0'), SQL('"thumbs_down" > 0')
"""Conditions of the indexes on thumbs, which a query must use in the same way."""


class RollupRow(Model):
    """Counts and latency of an hour, UTC day or month, by key of a dimension and by audience."""

    level = TextField()
    """`hour`, `day` or `month`; `folded` for a mark, see `storage.store.grains`."""
    starts_at = BigIntegerField()
    dimension = TextField()
    """`all`, `agent`, `provider`, `model`, `platform`, `channel`, `user`, `decision` or `issue`."""
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
    """How many calls had a known cost. If it is 0, `cost` is unknown."""
    latency = BlobField(null=True)
    """A `storage.store.histogram.Histogram`."""
    thumbs_up = BigIntegerField(constraints=[NONE_YET])
    thumbs_down = BigIntegerField(constraints=[NONE_YET])

    class Meta:
        table_name = "rollups"
        primary_key = CompositeKey("level", "dimension", "starts_at", "audience", "key")
        without_rowid = True  # On SQLite: rows of one period lie together.


class FactRow(Model):
    """Additions of one batch to the rollups of an hour, a key and an audience, not yet made."""

    id = BigAutoField()
    starts_at = BigIntegerField()
    dimension = TextField()
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
    latency = BlobField(null=True)
    """All latencies as they are, see `storage.store.histogram.listed`."""
    thumbs_up = BigIntegerField(constraints=[NONE_YET])
    thumbs_down = BigIntegerField(constraints=[NONE_YET])

    class Meta:
        table_name = "facts"


class MetricRow(Model):
    """One value of a metric, see `storage.model.records.Metric`."""

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
    """One structured log line, see `storage.model.records.Log`."""

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
    """Feedback on a trace, see `storage.model.records.Score`.

    A user may have rated a trace in several ways, each of which is a row: the latest with a value
    counts. A rating that was taken back stays without a value, so that one which was recorded
    earlier and arrives later does not bring it back.
    """

    trace_id = TextField()
    name = TextField()
    user = TextField()
    value = DoubleField(null=True)
    label = TextField(null=True)
    recorded_at = BigIntegerField()
    source = TextField(constraints=[SQL("DEFAULT ''")])
    text = TextField(null=True)
    """The reason, in the user's words."""

    class Meta:
        table_name = "scores"
        primary_key = CompositeKey("trace_id", "name", "user", "source")


class LeaseRow(Model):
    """A lease on work that only one process may do, see `storage.coordination.leases`.

    Table and columns keep the names of the first release.
    """

    key = TextField(primary_key=True)
    owner = TextField()
    claimed_at = BigIntegerField()
    expires_at = BigIntegerField()
    """When another process may take over the work if it is not done."""
    done_at = BigIntegerField(null=True)

    class Meta:
        table_name = "claims"


class SubscriptionRow(Model):
    """A channel's digest, at its local time."""

    team = TextField()
    channel = TextField()
    local_time = TextField()
    """`HH:MM`."""
    time_zone = TextField()
    """An IANA name, such as `Europe/Berlin`."""
    created_by = TextField()
    created_at = BigIntegerField()
    days = TextField(constraints=[SQL("DEFAULT 'daily'")])
    """`daily`, `weekdays`, or the day of a weekly one: `mon`."""
    quiet = TextField(constraints=[SQL("DEFAULT 'line'")])
    """Says how to post if nothing happened: one `line`, or `silence`."""

    class Meta:
        table_name = "subscriptions"
        primary_key = CompositeKey("team", "channel")


class IssueStateRow(Model):
    """The state of an issue as somebody set it: resolved, or muted."""

    issue = TextField(primary_key=True)
    """A `storage.model.fingerprint.fingerprint`, which contains the workspace."""
    state = TextField()
    """`resolved` or `muted`."""
    changed_by = TextField(null=True)
    """A user's id; None in a shell."""
    changed_at = BigIntegerField()

    class Meta:
        table_name = "issue_states"


class ProcessRow(Model):
    """One writer of a process. By its last batch number, a batch that is replayed is skipped."""

    process = TextField(primary_key=True)
    """A unique name, see `storage.coordination.process_identity.new_writer`."""
    started_at = BigIntegerField()
    last_batch = BigIntegerField()

    class Meta:
        table_name = "processes"


class RemovedTraceRow(Model):
    """The id of a trace that retention removed, and who could see it.

    The table keeps the name of the first release.
    """

    trace_id = TextField(primary_key=True)
    removed_at = BigIntegerField()
    audience = TextField(null=True)
    team = TextField(null=True)
    channel = TextField(null=True)

    class Meta:
        table_name = "tombstones"


class PrivateChannelRow(Model):
    """A channel that became private. Spans that still call it public are stored as private."""

    team = TextField()
    channel = TextField()

    class Meta:
        table_name = "private_channels"
        primary_key = CompositeKey("team", "channel")


class AgentSessionRow(Model):
    """The session in which an agent answered a thread last, see `coordination.agent_sessions`."""

    team = TextField()
    channel = TextField()
    thread_ts = TextField()
    agent = TextField()
    provider = TextField()
    session_id = TextField(null=True)
    settings = TextField()
    thread = TextField()
    since = TextField()
    trace_id = TextField()
    input_tokens = BigIntegerField()
    output_tokens = BigIntegerField()
    cached_tokens = BigIntegerField()

    class Meta:
        table_name = "agent_sessions"
        primary_key = CompositeKey("team", "channel", "thread_ts", "agent", "provider")


class JournalRow(Model):
    """How each kind of upkeep went the last time, see `storage.upkeep.journal`.

    The table keeps the name of the first release.
    """

    name = TextField(primary_key=True)
    at = BigIntegerField()
    ok = IntegerField()
    details = TextField(null=True)
    """JSON."""

    class Meta:
        table_name = "maintenance"


class UnfinishedReplyRow(Model):
    """A reply that is not in its final form yet, see `storage.coordination.unfinished_replies`."""

    id = TextField(primary_key=True)
    trace_id = TextField()
    agent = TextField()
    team = TextField()
    channel = TextField()
    thread_ts = TextField()
    message_ts = TextField()
    user = TextField()
    ts = TextField(null=True)
    ending = TextField(null=True)
    """JSON."""
    process = TextField()
    begun_at = BigIntegerField()
    seen_at = BigIntegerField()
    claim = TextField(constraints=[SQL("DEFAULT ''")])

    class Meta:
        table_name = "unfinished_replies"


class BudgetRow(Model):
    """A limit of what may be spent in a day, week or month, see `storage.coordination.budgets`."""

    id = TextField(primary_key=True)
    team = TextField()
    dimension = TextField()
    key = TextField()
    period = TextField()
    soft = BigIntegerField()
    hard = BigIntegerField(null=True)
    time_zone = TextField()
    channel = TextField(null=True)
    created_by = TextField()
    created_at = BigIntegerField()

    class Meta:
        table_name = "budgets"


class ReservationRow(Model):
    """The probable cost of a running turn, see `storage.coordination.reservations`."""

    trace_id = TextField()
    agent = TextField()
    team = TextField()
    channel = TextField()
    user = TextField()
    amount = BigIntegerField()
    process = TextField()
    reserved_at = BigIntegerField()

    class Meta:
        table_name = "reservations"
        primary_key = CompositeKey("trace_id", "agent")


class AlertRuleRow(Model):
    """A rule of an alert, see `storage.coordination.alert_rules.AlertRule`."""

    id = TextField(primary_key=True)
    team = TextField()
    channel = TextField()
    condition = TextField()
    """In the words of `reports.alerts.grammar`."""
    created_by = TextField()
    created_at = BigIntegerField()
    in_file = IntegerField()

    class Meta:
        table_name = "alert_rules"


class AlertStateRow(Model):
    """How a rule is doing, see `storage.coordination.alert_rules.AlertState`."""

    rule_id = TextField(primary_key=True)
    level = TextField()
    told = TextField()
    recent = TextField()
    """Levels, separated by spaces."""
    value = DoubleField(null=True)
    since = BigIntegerField()
    begun_at = BigIntegerField(null=True)
    seq = BigIntegerField()
    posted = BigIntegerField()
    tests = BigIntegerField()
    tests_posted = BigIntegerField()
    thread_ts = TextField(null=True)
    acknowledged_by = TextField(null=True)
    snoozed_until = BigIntegerField()

    class Meta:
        table_name = "alert_states"


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
    IssueStateRow,
    ProcessRow,
    RemovedTraceRow,
    JournalRow,
    PrivateChannelRow,
    UnfinishedReplyRow,
    AgentSessionRow,
    BudgetRow,
    ReservationRow,
    AlertRuleRow,
    AlertStateRow,
)

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
MetricRow.add_index(MetricRow.index(MetricRow.name, MetricRow.recorded_at))
MetricRow.add_index(MetricRow.index(MetricRow.trace_id, where=MetricRow.trace_id.is_null(False)))
LogRow.add_index(LogRow.index(LogRow.trace_id))
AgentSessionRow.add_index(AgentSessionRow.index(AgentSessionRow.trace_id))
