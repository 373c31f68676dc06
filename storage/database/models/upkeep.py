"""Upkeep: its journal, and the traces that it removed."""

from peewee import BigIntegerField, CompositeKey, IntegerField, Model, TextField


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


class ErasureRow(Model):
    """An erasure that all machines have to know of, see `storage.store.shared_erasures`."""

    at = BigIntegerField()
    line = TextField()
    """JSON, as in the log. It says who, whom and when, and holds no text."""
    done = IntegerField()
    """1 once it is applied to what was stored before."""

    class Meta:
        table_name = "erasures"
        primary_key = CompositeKey("at", "line")
