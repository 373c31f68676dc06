"""`tracebot run -- COMMAND …`: a command as a span. It is started first; we import after that."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from storage.model.trace_context import (
    Ids,
    format_traceparent,
    new_span_id,
    new_trace_id,
    parent_resource,
    parse_traceparent,
)

if TYPE_CHECKING:
    from storage.recording.observability import Observability
    from storage.tracing.active_span import ActiveSpan

FORWARDED = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
FROM_TERMINAL = (signal.SIGINT, signal.SIGQUIT)
"""A terminal sends these to the command as well as to us."""

NOT_FOUND, NOT_EXECUTABLE = 127, 126
"""As a shell answers."""


USAGE = """\
usage: tracebot run [--database PATH] -- COMMAND [ARGUMENT …]

Run a command and record it: how long it took, how it ended, under which trace. Its input, output,
signals and exit code are its own. It is given TRACEPARENT, so that what it records hangs under it.

  tracebot run -- pytest -x
  tracebot run -- sh -c 'claude -p "what changed?" | tee answer.txt'
"""


def main(arguments: Sequence[str], *, environ: Mapping[str, str] = os.environ) -> int:
    """Read our own options, and run the rest; the exit code."""
    words, database = list(arguments), None
    while words and words[0].startswith("-") and words[0] != "--":
        option, _, value = words.pop(0).partition("=")
        if option in ("-h", "--help"):
            sys.stdout.write(USAGE)
            return 0
        if option != "--database" or not (value or words):
            sys.stderr.write(f"tracebot: run has no option {option}.\n{USAGE}")
            return 2
        database = value or words.pop(0)
    command = words[1:] if words[:1] == ["--"] else words
    if not command:
        sys.stderr.write(f"tracebot: there is no command to run.\n{USAGE}")
        return 2
    return run(command, database=database, environ=environ)


def run(
    command: Sequence[str], *, database: str | None, environ: Mapping[str, str] = os.environ
) -> int:
    """Run `command` on our own standard streams and record it; its exit code."""
    started_at = time.time_ns()
    parent = parse_traceparent(environ.get("TRACEPARENT"))
    ids = (parent[0] if parent else new_trace_id(started_at), new_span_id())
    child = _start(command, {**environ, **_trace(ids, environ)})
    recording = _open(database, environ)
    if recording is None:
        return _exit_code(child)
    with recording:
        span = recording.start_span(
            f"run {Path(command[0]).name}",
            _attributes(command, child),
            kind="client",
            ids=ids,
            started_at=started_at,
        )
        code = _exit_code(child)
        _conclude(span, code, child)
        span.end(child.ended_at if isinstance(child, Child) else None)
    return code


class Child:
    """The command, and when it ended: we may still be importing then."""

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
    """What hangs the command's own spans under ours, for both ways in which programs do that."""
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
    """Passes signals on to the command; those that come before it has started wait for it."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._waiting: list[int] = []
        self._handle(FORWARDED, self._forward)
        # In a terminal the command gets its own Ctrl-C.
        self._handle(FROM_TERMINAL, self._leave if _in_terminal() else self._forward)

    def forward_to(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child
        while self._waiting:
            child.send_signal(self._waiting.pop(0))

    def _handle(
        self, numbers: Iterable[int], handler: Callable[[int, FrameType | None], None]
    ) -> None:
        for number in numbers:
            # What we were started to ignore, as under nohup, the command is to ignore, too.
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
    """Whether we are what a terminal's Ctrl-C goes to."""
    try:
        return os.tcgetpgrp(sys.stderr.fileno()) == os.getpgrp()
    except OSError:
        return False


def _open(database: str | None, environ: Mapping[str, str]) -> "Observability | None":
    from storage.errors import StorageError
    from storage.recording.observability import Observability

    try:
        return Observability.open(database, platform="cli", environ=environ)
    except StorageError as error:
        sys.stderr.write(f"tracebot: the command runs, but is not recorded: {error}\n")
        return None


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
    """The code to exit with: the command's own, 128 + N when signal N ended it."""
    if isinstance(child, OSError):
        sys.stderr.write(f"tracebot: {child.filename}: {child.strerror}\n")
        return NOT_FOUND if isinstance(child, FileNotFoundError) else NOT_EXECUTABLE
    code = child.wait()
    return code if code >= 0 else 128 - code


def _conclude(span: "ActiveSpan", code: int, child: Child | OSError) -> None:
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
