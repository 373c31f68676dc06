"""Work that the bot does on a schedule rather than because of an event."""
