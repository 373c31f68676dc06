"""The errors of a command that cannot be carried out."""


class UsageError(Exception):
    """The command makes no sense; the message says what is wrong and what to write instead.

    `word` is the part of the command that is wrong, as it was written; empty if none is.
    """

    def __init__(self, message: str, *, word: str = "") -> None:
        super().__init__(message)
        self.word = word


class CommandFailed(UsageError):
    """The command makes sense, but what it names does not exist, or something is in its way."""
