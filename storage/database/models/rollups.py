"""Statistics: the rollups, and facts that are not yet added to them."""

from peewee import SQL, BigAutoField, BigIntegerField, BlobField, CompositeKey, Model, TextField


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
    thumbs_up = BigIntegerField(constraints=[SQL("DEFAULT 0")])
    thumbs_down = BigIntegerField(constraints=[SQL("DEFAULT 0")])

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
    thumbs_up = BigIntegerField(constraints=[SQL("DEFAULT 0")])
    thumbs_down = BigIntegerField(constraints=[SQL("DEFAULT 0")])

    class Meta:
        table_name = "facts"
