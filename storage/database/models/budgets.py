"""Budgets, and what running turns reserve of them."""

from peewee import BigIntegerField, CompositeKey, Model, TextField


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
