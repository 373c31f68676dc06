"""Store spans of a channel that became private as private, whatever they were when they began."""

from collections.abc import Sequence

from storage.database.base import Database
from storage.database.models import PrivateChannelRow
from storage.database.statements import Statement, compiled
from storage.model.span import Span, own_audience


def keep_private(database: Database, spans: Sequence[Span]) -> list[int]:
    """Change the audience of such spans, and return their positions; in the caller's transaction.

    A span can come late: from a turn that ran when its channel was converted, from another
    process, or from the spool.
    """
    channels = {(team, channel) for team, channel in CONVERTED.fetch(database, ())}
    late = [
        position
        for position, span in enumerate(spans)
        if channels and span.audience == span.team and (span.team, span.channel) in channels
    ]
    for position in late:
        span = spans[position]
        span.audience = own_audience(str(span.team), str(span.channel))
    return late


CONVERTED = Statement(
    lambda database: compiled(
        PrivateChannelRow.select(PrivateChannelRow.team, PrivateChannelRow.channel), database
    )
)
