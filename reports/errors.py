"""The errors of a command that cannot be carried out."""

LONGEST, END = 1_000, 400
"""Characters of a message, and at its end, where it says what to write instead."""


class UsageError(Exception):
    """The command makes no sense; the message says what is wrong and what to write instead.

    Whatever was written is repeated in it, but not thousands of words. `word` is the part of the
    command that is wrong, as it was written; empty if none is.
    """

    def __init__(self, message: str, *, word: str = "") -> None:
        if len(message) > LONGEST:
            message = f"{message[:END]} … {message[-END:]}"
        super().__init__(message)
        self.word = word


class CommandFailed(UsageError):
    """The command makes sense, but what it names does not exist, or something is in its way."""
