"""`tracebot run -- COMMAND …`: run a command and record it as a span.

The command is started first and everything slow is imported afterwards, so that it does not wait
for us.
"""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from bot.cli.exit_codes import DONE, USAGE
from bot.cli.forwarder import Forwarder
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

PASSED_ON = (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGTERM)
"""Signals of which we end as well if one of them ended the command.

A shell leaves its loop only if Ctrl-C ended what it waits for, and systemd takes an end by one of
these for a stop, but exit code 143 for a failure.
"""

SHELL_SYNTAX = frozenset("|&;<>$`*?(){}=\"'\\")
"""Characters with which a shell does more than run a command."""

NOTICE_S = 0.5
"""How often the main thread looks if a signal has arrived, see `bot.cli.commands.signals`."""

NOT_FOUND, NOT_EXECUTABLE = 127, 126
"""The exit codes of a shell for a command that cannot be started."""


def main(arguments: Sequence[str], *, environ: Mapping[str, str] = os.environ) -> int:
    """Parse our own options and run the rest. Return the exit code."""
    rest, database = list(arguments), None
    while rest and rest[0].startswith("-") and rest[0] != "--":
        option, equals, value = rest.pop(0).partition("=")
        if option in ("-h", "--help"):
            return _describe()
        if option != "--database":
            return _refuse(f"run does not take {option}")
        database = value if equals or not rest else rest.pop(0)
        if database in ("", "--"):  # A variable of the shell that is not set.
            return _refuse("--database needs a path")
    command = rest[1:] if rest[:1] == ["--"] else rest
    if not command:
        return _refuse("The command to run is missing")
    return _exit_as(run(command, database=database, environ=environ))


def _describe() -> int:
    from bot.cli.parser import shell_parser

    shell_parser(only="run")[1].choices["run"].print_help()
    return DONE


def _refuse(reason: str) -> int:
    _say(f"{reason}: write tracebot run -- COMMAND, or see tracebot help run.")
    return USAGE


def _say(text: str) -> None:
    if sys.stderr is not None:  # The caller may have closed it.
        with suppress(OSError):  # A full disk.
            sys.stderr.write(f"tracebot: {text}\n")


def run(
    command: Sequence[str], *, database: str | None, environ: Mapping[str, str] = os.environ
) -> int:
    """Run `command` on our own standard streams and record it.

    Return its exit code, or the negative number of the signal that ended it.
    """
    started_at = time.time_ns()
    parent = parse_traceparent(environ.get("TRACEPARENT"))
    ids = (parent[0] if parent else new_trace_id(started_at), new_span_id())
    child = _start(command, {**_as_given(environ), **_trace(ids, environ)})
    if isinstance(child, OSError):
        _say(f"{child.filename}: {child.strerror}{_advice(child)}")
    try:
        with _recording(database, environ) as record:
            _record(record, command, child, parent=parent, ids=ids, started_at=started_at)
    except Exception as error:  # Whatever is wrong with us, the command keeps its exit code.
        _say(f"the command runs, but is not recorded: {error}")
    return _code(child)


def _record(
    record: "Sink",
    command: Sequence[str],
    child: "Child | OSError",
    *,
    parent: Ids | None,
    ids: Ids,
    started_at: int,
) -> None:
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
    _conclude(span, child)
    span.end(span.started_at + child.duration_ns if isinstance(child, Child) else None)


class Child:
    """The running command. A thread notes when it ends: we may still be importing then."""

    def __init__(self, process: subprocess.Popen[bytes], *, started: int) -> None:
        self.process = process
        self.duration_ns = 0
        self._started = started
        self._waiting = threading.Thread(target=self._wait, daemon=True)
        self._waiting.start()

    def _wait(self) -> None:
        self.process.wait()
        # Not by the clock, which may be set while the command runs.
        self.duration_ns = time.perf_counter_ns() - self._started

    def wait(self) -> int:
        """Return the exit code, or the negative number of the signal that ended the command."""
        # The kernel may deliver a signal to any thread, and a wait without a time limit never gets
        # to the handler.
        while self._waiting.is_alive():
            self._waiting.join(NOTICE_S)
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


def _as_given(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return the environment without the LC_CTYPE that Python adds to it in the locale C.

    Python gives it to all its children (https://peps.python.org/pep-0538/). Linux only.
    """
    with suppress(OSError):
        if b"\0LC_CTYPE=" not in b"\0" + Path("/proc/self/environ").read_bytes():
            return {name: value for name, value in environ.items() if name != "LC_CTYPE"}
    return environ


def _start(command: Sequence[str], environ: Mapping[str, str]) -> Child | OSError:
    forwarder = Forwarder()
    started = time.perf_counter_ns()
    try:
        process = _process(command, environ)
    except OSError as error:
        return error
    forwarder.forward_to(process)
    return Child(process, started=started)


def _process(command: Sequence[str], environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start the command; a script whose first line names no interpreter in sh, as shells do."""
    try:
        return subprocess.Popen(command, env=environ)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
        import shutil

        file = shutil.which(command[0], path=environ.get("PATH")) or command[0]
        with open(file, "rb") as started:
            if b"\0" in started.read(256):  # For another kind of processor, for instance.
                raise
        return subprocess.Popen(["/bin/sh", file, *command[1:]], env=environ)


@contextmanager
def _recording(database: str | None, environ: Mapping[str, str]) -> Iterator["Sink"]:
    """Open the database and yield what stores a span. Raises `storage.errors.StorageError`.

    `Observability` would also import OpenTelemetry, for libraries that this process does not have.
    """
    from bot.cli.named_database import named_url
    from bot.cli.terminal import guard_warnings
    from storage.writer.start import open_to_record
    from storage.writer.writer import writer_for

    guard_warnings()
    opened = open_to_record(database or named_url(environ))
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
    }
    with suppress(OSError):  # It may have been removed.
        attributes["process.working_directory"] = os.getcwd()
    if isinstance(child, Child):
        attributes["process.pid"] = child.process.pid
    return attributes


def _code(child: Child | OSError) -> int:
    if isinstance(child, OSError):
        return NOT_FOUND if isinstance(child, FileNotFoundError) else NOT_EXECUTABLE
    return child.wait()


def _advice(error: OSError) -> str:
    """Return what to write instead of a command line in quotes, or of a variable before one."""
    command = str(error.filename)
    if isinstance(error, FileNotFoundError) and os.path.exists(command):
        return ". It is there: the interpreter of its first line, or its C library, is not"
    if SHELL_SYNTAX.intersection(command) and " " in command:
        import shlex

        return f". For a line of a shell: tracebot run -- sh -c {shlex.quote(command)}"
    if " " in command:
        return f". Leave out the quotes: tracebot run -- {command}"
    if "=" in command:
        return f". To set a variable: tracebot run -- env {command} …"
    return ""


def _conclude(span: "RecordingSpan", child: Child | OSError) -> None:
    if isinstance(child, OSError):
        span.fail(type(child).__qualname__, f"could not be started: {child.strerror}")
        return
    code = child.wait()
    span.set(**{"process.exit.code": _shell_code(code)})
    if code < 0:
        name = _signal_name(-code)
        span.set(**{"process.signal": name})
        span.fail(name, f"ended by {name}")
    elif code:
        span.fail("exit_code", f"exit code {code}")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # Most of the real-time signals have no name in Python.
        return f"signal {number}"


def _shell_code(code: int) -> int:
    """Return the exit code of a shell: 128 + N if signal N ended the command."""
    return code if code >= 0 else 128 - code


def _exit_as(code: int) -> int:
    """Return the exit code of the command, or end by the signal that ended it (`PASSED_ON`)."""
    if -code in PASSED_ON:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return _shell_code(code)  # Also of a signal: process 1 of a container does not end by it.
