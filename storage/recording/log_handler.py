"""Store what Python's `logging` is given, with the trace in which it was logged."""

import logging
import traceback

from storage.model.redaction import redacted_end
from storage.recording.observability import Observability
from storage.tracing.failures import never_raises
from storage.tracing.values import text_of


class LogHandler(logging.Handler):
    """Store what any library logs, from `level` on.

    The lines of the storage itself are left out: storing one may log another, without end.
    """

    def __init__(self, observability: Observability, *, level: int = logging.WARNING) -> None:
        super().__init__(level)
        self._observability = observability

    @never_raises("A log line")
    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith("tracebot.storage"):
            return
        attributes: dict[str, object] = {"logger": record.name}
        if record.exc_info and record.exc_info[1] is not None:
            stack = traceback.format_exception(record.exc_info[1], limit=-20)
            attributes["exception"] = redacted_end("".join(stack), 4_000)
        try:
            message = record.getMessage()
        except Exception:
            message = text_of(record.msg)
        self._observability.log_structured(record.levelname, message, attributes)
