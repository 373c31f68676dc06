"""Erase what somebody wrote, because its author deleted or edited the message."""

from peewee import Database

from storage.database.models import SpanRow, TraceRow
from storage.database.transactions import transaction
from storage.model.redaction import redact


def erase_text(
    database: Database, *, channel: str, message_ts: str, replacement: str | None = None
) -> None:
    """Remove the stored text of a message, or put `replacement` in its place."""
    if replacement is not None:
        replacement = redact(replacement)
    with transaction(database):
        for table in (SpanRow, TraceRow):
            table.update(text=replacement).where(
                table.channel == channel,
                table.message_ts == message_ts,
                table.text.is_null(False),
            ).execute(database)
