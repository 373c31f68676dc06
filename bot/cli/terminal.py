"""Log lines on a terminal."""

import logging

from reports.formatting import visible

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class TerminalFormatter(logging.Formatter):
    """Formats log lines, which quote text of others, so that they cannot control a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line and its traceback, if it has one, without secrets."""
        from storage.model.redaction import redact  # Most commands log nothing, and start sooner.

        return visible(redact(super().format(record)))


def log_to_stderr(level: int = logging.INFO) -> None:
    """Write log lines from `level` on to stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(TerminalFormatter(FORMAT))
    logging.basicConfig(level=level, handlers=[handler])


def guard_warnings() -> None:
    """Make what Python prints of warnings visible if a command does not set up logging."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(TerminalFormatter())
