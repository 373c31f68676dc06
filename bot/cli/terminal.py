"""Log lines on a terminal."""

import logging
from collections.abc import Sequence

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class TerminalFormatter(logging.Formatter):
    """Formats log lines, which quote text of others, so that they cannot control a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line and its traceback, if it has one, without secrets."""
        # Most commands log nothing, and start sooner.
        from reports.formatting import visible
        from storage.model.redaction import redact

        return visible(redact(super().format(record)))


def log_to_stderr(level: int = logging.INFO) -> None:
    """Write log lines from `level` on to stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(TerminalFormatter(FORMAT))
    logging.basicConfig(level=level, handlers=[handler])
    # A new database would begin with a line for each change of its tables since the first version.
    logging.getLogger("peewee.migrations").setLevel(logging.WARNING)


def pointed_out(arguments: Sequence[str], word: str) -> str:
    """Return the command line, and a line that points at a word in it; nothing if it is not there.

    Neither if the line is longer than the terminal is wide, because it would be broken, or tells a
    secret.
    """
    import shlex
    import shutil

    line = shlex.join(["tracebot", *arguments])
    # An argument that is the word, rather than the first place where its letters stand.
    ahead = arguments[: arguments.index(word)] if word in arguments else ()
    place = line.find(word, len(shlex.join(["tracebot", *ahead])))
    if not word or place < 0:
        return ""
    from rich.cells import cell_len

    from reports.formatting import visible

    before, found, after = (
        f"  {visible(line[:place])}",
        visible(word),
        visible(line[place + len(word) :]),
    )
    line = f"{before}{found}{after}"
    from storage.model.redaction import redact

    if redact(line) != line or "\n" in line or cell_len(line) > shutil.get_terminal_size().columns:
        return ""
    return f"{line}\n{' ' * cell_len(before)}{'^' * cell_len(found)}\n"


def guard_warnings() -> None:
    """Let a command that does not set up logging print warnings as it prints its errors."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(TerminalFormatter("tracebot: %(message)s"))
