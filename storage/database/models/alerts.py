"""Digests, alerts and states of issues, as people set them."""

from peewee import SQL, BigIntegerField, CompositeKey, DoubleField, IntegerField, Model, TextField


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
