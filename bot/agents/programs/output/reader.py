"""Read the output of a program as it arrives: plain text, or a JSON event on each line."""

import codecs
import json
from collections.abc import Callable, Mapping
from typing import Protocol

from bot.agents.programs.output.answer import ParsedAnswer

MAX_LINE = 8_000_000
"""Bytes of a line that is still parsed: three times the longest answer that is kept."""

MAX_STRAY = 65_536
"""Bytes that are kept of lines that are not events."""

MAX_STRAY_LINES = 20_000
"""More lines that are not events mean that no answer will come."""

Event = Mapping[str, object]
Parser = Callable[[Event, ParsedAnswer], None]
"""Takes an event of a program's output into the answer."""


class OutputReader(Protocol):
    """Reads output in bounded memory, whatever a program prints."""

    def feed(self, data: bytes) -> None:
        """Take the next bytes, cut anywhere."""

    def close(self) -> None:
        """Take the end of the output."""


class TextReader:
    """Reads plain text: all of it is the answer."""

    def __init__(self, answer: ParsedAnswer) -> None:
        self._answer = answer
        # Incremental, because a character may be cut in two by the end of a read.
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes) -> None:
        self._answer.say(self._decoder.decode(data))

    def close(self) -> None:
        self._answer.say(self._decoder.decode(b"", final=True))
        self._answer.complete = True


class JsonLinesReader:
    """Reads JSON lines. Other lines are kept as text, and are the answer if there is no event."""

    def __init__(self, answer: ParsedAnswer, parser: Parser) -> None:
        self._answer = answer
        self._parser = parser
        self._line = bytearray()
        self._overlong = False
        self._events = 0
        self._stray = bytearray()
        self._stray_lines = 0

    def feed(self, data: bytes) -> None:
        *ended, rest = data.split(b"\n")
        for part in ended:
            self._append(part)
            self._end_line()
        self._append(rest)

    def close(self) -> None:
        self._end_line()
        self._answer.stray = self.stray
        if not self._events and self.stray:
            self._answer.say(self.stray)
            self._answer.complete = True

    @property
    def stray(self) -> str:
        """Return the lines that are not events."""
        return self._stray.decode("utf-8", "replace").strip()

    def _append(self, part: bytes) -> None:
        if not self._overlong and len(self._line) + len(part) > MAX_LINE:
            # Its beginning is kept as a line that is not an event, its rest is dropped.
            self._keep(bytes(self._line or part))
            self._line.clear()
            self._overlong = True
        if not self._overlong:
            self._line += part

    def _end_line(self) -> None:
        if not self._overlong:
            self._take(bytes(self._line))
        self._line.clear()
        self._overlong = False

    def _take(self, line: bytes) -> None:
        if not line.strip():
            return
        event = _object(line)
        if event is None:
            self._keep(line)
            return
        self._events += 1
        self._parser(event, self._answer)

    def _keep(self, line: bytes) -> None:
        kept = (line + b"\n")[: MAX_STRAY - len(self._stray)]
        # A word that is cut may be half a secret, which nobody can recognize any more.
        self._stray += kept if len(kept) > len(line) else kept.rpartition(b" ")[0] or kept
        self._stray_lines += 1
        if self._stray_lines > MAX_STRAY_LINES:
            self._answer.fail("crash", "its output is not an answer", hopeless=True)


def _object(line: bytes) -> Event | None:
    if not line.lstrip().startswith(b"{"):
        return None
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None
