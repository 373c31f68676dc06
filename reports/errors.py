"""The error of a command that cannot be understood."""


class UsageError(Exception):
    """The command makes no sense; the message says what is wrong and what to write instead.

    `word` is the part of the command that is wrong, as it was written; empty if none is.
    """

    def __init__(self, message: str, *, word: str = "") -> None:
        super().__init__(message)
        self.word = word
