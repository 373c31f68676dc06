"""Metrics, logs and feedback."""

from peewee import SQL, BigAutoField, BigIntegerField, CompositeKey, DoubleField, Model, TextField


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


MetricRow.add_index(MetricRow.index(MetricRow.name, MetricRow.recorded_at))
MetricRow.add_index(MetricRow.index(MetricRow.trace_id, where=MetricRow.trace_id.is_null(False)))
LogRow.add_index(LogRow.index(LogRow.trace_id))
