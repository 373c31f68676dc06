"""What can be wrong with the words that people ask with."""


class UsageError(Exception):
    """The words make no sense; the message says what would."""
