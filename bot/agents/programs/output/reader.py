"""What a program prints, as it comes: plain text, or an event a line."""

import codecs
import json
from collections.abc import Callable, Mapping
from typing import Protocol

from bot.agents.programs.output.answer import ParsedAnswer

MAX_LINE = 8_000_000
"""Bytes of a line that is still read as an event: three times the longest answer that is kept."""
MAX_STRAY = 65_536
"""Bytes of lines that are no events which are kept."""
FLOOD = 20_000
"""Lines of such after which there is nothing to wait for."""

Event = Mapping[str, object]
Parser = Callable[[Event, ParsedAnswer], None]
"""Notes what one event of a program's output says."""


class OutputReader(Protocol):
    """Bounded in memory, whatever a program prints."""

    def feed(self, data: bytes) -> None:
        """Take the next bytes, as they come."""

    def close(self) -> None:
        """There is no more."""


class TextReader:
    """All of it is the answer."""

    def __init__(self, heard: ParsedAnswer) -> None:
        self._heard = heard
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes) -> None:
        self._heard.say(self._decoder.decode(data))

    def close(self) -> None:
        self._heard.say(self._decoder.decode(b"", final=True))
        self._heard.complete = True


class JsonLinesReader:
    """JSON lines. Others are kept as text, and are the answer where there was no event at all."""

    def __init__(self, heard: ParsedAnswer, parser: Parser) -> None:
        self._heard = heard
        self._dialect = parser
        self._line = bytearray()
        self._overlong = False
        self._events = 0
        self._stray = bytearray()
        self._strayed = 0

    def feed(self, data: bytes) -> None:
        *ended, rest = data.split(b"\n")
        for part in ended:
            self._append(part)
            self._end_line()
        self._append(rest)

    def close(self) -> None:
        self._end_line()
        if not self._events and self._stray.strip():
            self._heard.say(self.stray)
            self._heard.complete = True

    @property
    def stray(self) -> str:
        """The lines that were no events."""
        return self._stray.decode("utf-8", "replace").strip()

    def _append(self, part: bytes) -> None:
        if not self._overlong and len(self._line) + len(part) > MAX_LINE:
            # Kept as what it begins with; the rest of it goes by.
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
        self._dialect(event, self._heard)

    def _keep(self, line: bytes) -> None:
        self._stray += (line + b"\n")[: MAX_STRAY - len(self._stray)]
        self._strayed += 1
        if self._strayed > FLOOD:
            self._heard.fail("crash", "it prints what is not an answer", hopeless=True)


def _object(line: bytes) -> Event | None:
    if not line.lstrip().startswith(b"{"):
        return None
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None
