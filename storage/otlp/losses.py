"""Count what a request loses on the way in, by cause, and tell its sender the first reasons.

An item that cannot be stored at all is *refused*; a value that is left out or replaced is *cut*,
and costs nothing else of its item. Used by all modules that decode.
"""

from collections import Counter
from collections.abc import Mapping

from storage.model.redaction import redacted_start

INVALID_ID = "invalid id"
INVALID_ITEM = "invalid item"
INVALID_TEXT = "invalid text"
INVALID_VALUE = "invalid value"
NO_NAME = "no name"
NO_NUMBER = "no number"
RESERVED_NAME = "reserved name"
TOO_DEEP = "too deep"
TOO_MANY_ATTRIBUTES = "too many attributes"
TOO_MANY_EVENTS = "too many events"
TOO_MANY_LINKS = "too many links"
TOO_MANY_VALUES = "too many values"
UNKNOWN_ENUM = "unknown enum"

CUTS: Mapping[str, str] = {
    INVALID_ID: "an id is not valid and was left out",
    INVALID_TEXT: "a text is not valid Unicode: the wrong characters were replaced",
    INVALID_VALUE: "a value cannot be decoded or has the wrong type and was left out",
    NO_NAME: "an attribute without a name was left out",
    NO_NUMBER: "a data point without a finite number was left out",
    TOO_DEEP: "a value is nested too deeply and was left out",
    TOO_MANY_ATTRIBUTES: "an item has too many attributes: some were left out",
    TOO_MANY_EVENTS: "a span has too many events: some were left out",
    TOO_MANY_LINKS: "a span has too many links: some were left out",
    TOO_MANY_VALUES: "a value holds too many others and was left out",
    UNKNOWN_ENUM: "an unknown kind or status was left out",
}
"""Each cause of a cut, and the sentence for the sender. Few: each becomes a row a minute."""

MAX_REASONS = 3
MAX_REASON = 200


class Malformed(ValueError):
    """An item, or a whole request, is not valid OTLP. The message says why.

    `cause` is what it is counted by.
    """

    def __init__(self, message: str, cause: str = INVALID_ITEM) -> None:
        super().__init__(redacted_start(message, MAX_REASON))
        self.cause = cause


class Losses:
    """The losses of one request."""

    __slots__ = ("cuts", "reasons", "refused")

    def __init__(self) -> None:
        self.refused: Counter[str] = Counter()
        """How many items were refused, by cause."""
        self.cuts: Counter[str] = Counter()
        """How many values were left out or replaced, by cause."""
        self.reasons: list[str] = []
        """The first different reasons, for the sender."""

    def refuse(self, error: Malformed) -> None:
        self.refused[error.cause] += 1
        self._tell(str(error))

    def cut(self, cause: str, number: int = 1, reason: str = "") -> None:
        """Count values under one of CUTS. `reason` says more than its sentence does."""
        self.cuts[cause] += number
        if len(self.reasons) < MAX_REASONS:
            self._tell(redacted_start(reason, MAX_REASON) or CUTS[cause])

    def _tell(self, reason: str) -> None:
        if len(self.reasons) < MAX_REASONS and reason not in self.reasons:
            self.reasons.append(reason)
