"""`tracebot run -- COMMAND …`: run a command and record it as a span.

The command is started first and everything slow is imported afterwards, so that it does not wait
for us.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from bot.cli.exit_codes import DONE, USAGE
from storage.model.trace_context import (
    Ids,
    format_traceparent,
    new_span_id,
    new_trace_id,
    parent_resource,
    parse_traceparent,
)

if TYPE_CHECKING:
    from storage.tracing.recording_span import RecordingSpan, Sink

FORWARDED = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
FROM_TERMINAL = (signal.SIGINT, signal.SIGQUIT)
"""A terminal sends these to the command as well as to us."""

NOT_FOUND, NOT_EXECUTABLE = 127, 126
"""The exit codes of a shell for a command that cannot be started."""


def main(arguments: Sequence[str], *, environ: Mapping[str, str] = os.environ) -> int:
    """Parse our own options and run the rest. Return the exit code."""
    rest, database = list(arguments), None
    while rest and rest[0].startswith("-") and rest[0] != "--":
        option, _, value = rest.pop(0).partition("=")
        if option in ("-h", "--help"):
            return _describe()
        if option != "--database":
            return _refuse(f"run does not take {option}")
        if not (value or rest):
            return _refuse("--database needs a path")
        database = value or rest.pop(0)
    command = rest[1:] if rest[:1] == ["--"] else rest
    if not command:
        return _refuse("The command to run is missing")
    return run(command, database=database, environ=environ)


def _describe() -> int:
    from bot.cli.parser import shell_parser

    shell_parser(only="run")[1].choices["run"].print_help()
    return DONE


def _refuse(reason: str) -> int:
    sys.stderr.write(
        f"tracebot: {reason}: write tracebot run -- COMMAND, or see tracebot help run.\n"
    )
    return USAGE


def run(
    command: Sequence[str], *, database: str | None, environ: Mapping[str, str] = os.environ
) -> int:
    """Run `command` on our own standard streams and record it. Return its exit code."""
    started_at = time.time_ns()
    parent = parse_traceparent(environ.get("TRACEPARENT"))
    ids = (parent[0] if parent else new_trace_id(started_at), new_span_id())
    child = _start(command, {**environ, **_trace(ids, environ)})
    with _recording(database, environ) as record:
        if record is None:
            return _exit_code(child)
        from storage.tracing.recording_span import RecordingSpan

        span = RecordingSpan(
            f"run {Path(command[0]).name}",
            record,
            kind="client",
            parent=parent,
            context={"platform": "cli"},
            attributes=_attributes(command, child),
            started_at=started_at,
            ids=ids,
        )
        code = _exit_code(child)
        _conclude(span, code, child)
        span.end(child.ended_at if isinstance(child, Child) else None)
    return code


class Child:
    """The running command. A thread notes when it ends: we may still be importing then."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.ended_at: int | None = None
        self._waiting = threading.Thread(target=self._wait, daemon=True)
        self._waiting.start()

    def _wait(self) -> None:
        self.process.wait()
        self.ended_at = time.time_ns()

    def wait(self) -> int:
        self._waiting.join()
        return self.process.returncode


def _trace(ids: Ids, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that make our span the parent of the command's own spans.

    Programs read the parent from TRACEPARENT; agents that send OTLP repeat the resource attributes.
    """
    resource = "OTEL_RESOURCE_ATTRIBUTES"
    return {
        "TRACEPARENT": format_traceparent(*ids),
        resource: parent_resource(ids, environ.get(resource)),
    }


def _start(command: Sequence[str], environ: Mapping[str, str]) -> Child | OSError:
    forwarder = Forwarder()
    try:
        process = subprocess.Popen(command, env=environ)
    except OSError as error:
        return error
    forwarder.forward_to(process)
    return Child(process)


class Forwarder:
    """Passes signals on to the command; those that arrive before it has started are kept for it."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._waiting: list[int] = []
        self._handle(FORWARDED, self._forward)
        # A terminal sends Ctrl-C to the command, too; forwarding it would deliver it twice.
        self._handle(FROM_TERMINAL, self._leave if _in_terminal() else self._forward)

    def forward_to(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child
        while self._waiting:
            child.send_signal(self._waiting.pop(0))

    def _handle(
        self, numbers: Iterable[int], handler: Callable[[int, FrameType | None], None]
    ) -> None:
        for number in numbers:
            # A signal that we were started to ignore, as under nohup, stays ignored.
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, handler)

    def _forward(self, number: int, frame: FrameType | None) -> None:
        if self._child is None:
            self._waiting.append(number)
        else:
            self._child.send_signal(number)

    def _leave(self, number: int, frame: FrameType | None) -> None:
        pass


def _in_terminal() -> bool:
    """Return True if we are in the foreground of a terminal, which its Ctrl-C goes to."""
    try:
        return os.tcgetpgrp(sys.stderr.fileno()) == os.getpgrp()
    except OSError:
        return False


@contextmanager
def _recording(database: str | None, environ: Mapping[str, str]) -> Iterator["Sink | None"]:
    """Open the database and yield what stores a span; None if it cannot be used.

    `Observability` would also import OpenTelemetry, for libraries that this process does not have.
    """
    from bot.cli.terminal import guard_warnings
    from storage.errors import StorageError
    from storage.writer.start import open_to_record
    from storage.writer.writer import writer_for

    guard_warnings()
    try:
        opened = open_to_record(database or environ.get("TRACEBOT_DATABASE_URL"))
    except StorageError as error:
        sys.stderr.write(f"tracebot: the command runs, but is not recorded: {error}\n")
        yield None
        return
    writer = writer_for(opened)
    try:
        yield writer.put
    finally:
        writer.close()
        opened.close()


def _attributes(command: Sequence[str], child: Child | OSError) -> dict[str, object]:
    from storage.model.redaction import redact_arguments

    attributes: dict[str, object] = {
        "process.executable.name": Path(command[0]).name,
        "process.command_args": redact_arguments(command),
        "process.working_directory": os.getcwd(),
    }
    if isinstance(child, Child):
        attributes["process.pid"] = child.process.pid
    return attributes


def _exit_code(child: Child | OSError) -> int:
    """Return the command's exit code; 128 + N, as in a shell, if signal N ended it."""
    if isinstance(child, OSError):
        sys.stderr.write(f"tracebot: {child.filename}: {child.strerror}{_unquoted(child)}\n")
        return NOT_FOUND if isinstance(child, FileNotFoundError) else NOT_EXECUTABLE
    code = child.wait()
    return code if code >= 0 else 128 - code


def _unquoted(error: OSError) -> str:
    """Return what to write instead of a whole command line in quotes."""
    command = str(error.filename)
    return f". Leave out the quotes: tracebot run -- {command}" if " " in command else ""


def _conclude(span: "RecordingSpan", code: int, child: Child | OSError) -> None:
    if isinstance(child, OSError):
        span.fail(type(child).__qualname__, f"could not be started: {child.strerror}")
        return
    span.set(**{"process.exit.code": code})
    if child.process.returncode < 0:
        name = signal.Signals(-child.process.returncode).name
        span.set(**{"process.signal": name})
        span.fail(name, f"ended by {name}")
    elif code:
        span.fail("exit_code", f"exit code {code}")
