"""Upkeep: its journal, and the traces that it removed."""

from peewee import BigIntegerField, IntegerField, Model, TextField


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
