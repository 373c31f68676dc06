"""State that the bot's processes share: leases, lanes, sessions, unfinished replies."""

from peewee import (
    SQL,
    BigAutoField,
    BigIntegerField,
    CompositeKey,
    IntegerField,
    Model,
    TextField,
)


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


class ProcessRow(Model):
    """One writer of a process. By its last batch number, a batch that is replayed is skipped."""

    process = TextField(primary_key=True)
    """A unique name, see `storage.coordination.process_identity.new_writer`."""
    started_at = BigIntegerField()
    last_batch = BigIntegerField()

    class Meta:
        table_name = "processes"


class HeartbeatRow(Model):
    """A bot's process, and when it was seen last; see `storage.coordination.heartbeats`."""

    process = TextField(primary_key=True)
    team = TextField()
    version = TextField()
    mode = TextField()
    state = TextField()
    problem = TextField()
    started_at = BigIntegerField()
    seen_at = BigIntegerField()

    class Meta:
        table_name = "heartbeats"


class NoticeRow(Model):
    """A change that one process tells the others of its bot, see `storage.coordination.notices`."""

    id = BigAutoField()
    team = TextField()
    topic = TextField()
    key = TextField()
    process = TextField()
    posted_at = BigIntegerField()

    class Meta:
        table_name = "notices"


class PrivateChannelRow(Model):
    """A channel that became private. Spans that still call it public are stored as private."""

    team = TextField()
    channel = TextField()

    class Meta:
        table_name = "private_channels"
        primary_key = CompositeKey("team", "channel")


class AcceptedMessageRow(Model):
    """A message whose turn has not ended, see `storage.coordination.accepted_messages`."""

    trace_id = TextField(primary_key=True)
    team = TextField()
    channel = TextField()
    thread_ts = TextField()
    message_ts = TextField()
    user = TextField()
    position = TextField()
    """Orders the messages of a thread: a time stamp of Slack's."""
    details = TextField()
    """JSON: what Slack does not tell again."""
    state = TextField()
    """`waiting`, `running`, or `asked` once an agent was."""
    attempts = IntegerField()
    changed = IntegerField()
    process = TextField()
    accepted_at = BigIntegerField()

    class Meta:
        table_name = "accepted_messages"


HOLDS_LANE = SQL("\"state\" <> 'waiting'")
"""Condition of the index by which one message in each thread holds its lane."""


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

    class Meta:
        table_name = "unfinished_replies"


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


AcceptedMessageRow.add_index(
    AcceptedMessageRow.index(
        *(AcceptedMessageRow.team, AcceptedMessageRow.channel, AcceptedMessageRow.thread_ts),
        unique=True,
        where=HOLDS_LANE,
    )
)
AgentSessionRow.add_index(AgentSessionRow.index(AgentSessionRow.trace_id))
