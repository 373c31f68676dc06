"""Erase what somebody wrote, because its author deleted or edited the message."""

from peewee import Database

from storage.database.models import SpanRow, TraceRow
from storage.database.transactions import transaction


def erase_text(
    database: Database, *, channel: str, message_ts: str, replacement: str | None = None
) -> None:
    """Remove the stored text of a message, or put `replacement` in its place."""
    with transaction(database):
        for table in (SpanRow, TraceRow):
            table.update(text=replacement).where(
                table.channel == channel,
                table.message_ts == message_ts,
                table.text.is_null(False),
            ).execute(database)
