"""The error of a command that cannot be understood."""


class UsageError(Exception):
    """The command makes no sense; the message says what is wrong and what to write instead."""
