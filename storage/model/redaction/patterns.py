"""Patterns that are compiled when they are first used: most processes meet no secret.

RE2 is C++ and lets other threads run while it searches. Python ends a thread that comes back to it
after the interpreter has, and through C++ that aborts the whole process. So each call of RE2 passes
`_in_re2`, and the end of the process waits until no thread is there (`_end`).
"""

import atexit
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any, TypeVar

import re2

Range = tuple[int, int]
Found = Mapping[str, Range]
"""Name of a group that took part in a match → its range. The whole match is `""`."""
Finder = Callable[[str], Iterator[Range]]
Finders = Mapping[Finder, Sequence[str]]
"""A function that finds secrets → the patterns without which it finds none in a text."""

PIECES = 1_024
"""Matches whose groups a pattern remembers."""

LAST_SEARCH_S = 10.0
"""How long the end of the process waits for searches of other threads: milliseconds, unless the
machine is so busy that they get no time. A search that is still under way then aborts it."""

Result = TypeVar("Result")

_searching: set[int] = set()
"""The threads that are within RE2. Nobody waits for a lock, as a signal may come in a search."""
_ended_by: int | None = None


def _in_re2(call: Callable[..., Result], *arguments: Any) -> Result:
    """Call RE2. The call must not come here again: its end would pass for that of this one."""
    thread = threading.get_ident()
    _searching.add(thread)  # Before asking: the end asks in the opposite order.
    try:
        if _ended_by is not None and _ended_by != thread:
            _searching.discard(thread)  # The end does not wait for it: it stays outside of C++.
            threading.Event().wait()  # Until the process is gone.
        return call(*arguments)
    finally:
        _searching.discard(thread)


def _end() -> None:
    global _ended_by
    _ended_by = threading.get_ident()
    until = time.monotonic() + LAST_SEARCH_S
    while _searching - {_ended_by} and time.monotonic() < until:
        time.sleep(0.001)


# Recordings are closed before: `storage.recording.process_hooks` is registered later.
atexit.register(_end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_searching.clear)


class Pattern:
    """Search whole texts with RE2, in time that is linear in their length.

    What a group matched is decided by the match alone, not by the text around it. If matches
    *repeat*, such as `password: `, then their groups are remembered. Not those that hold secrets.
    """

    def __init__(self, pattern: str, *, repeat: bool = False) -> None:
        self.pattern = pattern
        self._of_piece = lru_cache(PIECES)(self._in_piece) if repeat else self._in_piece
        self.pattern_without_groups = re.sub(r"\(\?P<\w+>", "(?:", pattern)

    @cached_property
    def _without_groups(self) -> Any:
        # RE2 finds where a match is with a DFA, many times faster than it tells the groups apart.
        return _in_re2(re2.compile, self.pattern_without_groups, _options())

    @cached_property
    def _with_groups(self) -> Any:
        return _in_re2(re2.compile, self.pattern, _options())

    def in_text(self, text: str) -> bool:
        return _in_re2(self._without_groups.search, _encoded(text)) is not None

    def finditer(self, text: str) -> Iterator[Found]:
        encoded = _encoded(text)
        read, length = 0, 0  # Bytes and characters up to the last match.
        for start, end in _in_re2(_spans, self._without_groups, encoded):
            if len(encoded) != len(text):
                length += len(encoded[read:start].decode())
                read, start = start, length
                end = start + len(encoded[read:end].decode())
            yield self._groups(text, start, end)

    @cached_property
    def _names(self) -> Sequence[tuple[str, int]]:
        return tuple(self._with_groups.groupindex.items())

    def _groups(self, text: str, start: int, end: int) -> Found:
        groups = {"": (start, end)}
        if self._names:
            for name, first, last in self._of_piece(text[start:end]):
                groups[name] = (start + first, start + last)
        return groups

    def _in_piece(self, piece: str) -> Sequence[tuple[str, int, int]]:
        # RE2's offsets are bytes, and to turn them into characters is slow.
        searched = piece.encode() if piece.isascii() else piece
        match = _in_re2(self._with_groups.match, searched)
        if match is None:
            return ()
        spans = [(name, *match.span(number)) for name, number in self._names]
        return [span for span in spans if span[1] >= 0]


class Patterns:
    """Several patterns. One search tells which of them a text has."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._each = [Pattern(pattern) for pattern in patterns]

    @cached_property
    def _set(self) -> Any:
        patterns = re2.Set.SearchSet(_options())
        for each in self._each:
            patterns.Add(each.pattern_without_groups)
        _in_re2(patterns.Compile)
        return patterns

    def in_text(self, text: str) -> Sequence[int]:
        """Return the numbers of the patterns that the text has."""
        return sorted(_in_re2(self._set.Match, _encoded(text)) or ())

    def finditer(self, text: str) -> Iterator[Found]:
        for number in self.in_text(text):
            yield from self._each[number].finditer(text)


def _spans(compiled: Any, encoded: bytes) -> list[Range]:
    return [match.span() for match in compiled.finditer(encoded)]


def _encoded(text: str) -> bytes:
    return text.encode() if text.isascii() else _encoded_letters(text)


# One text is searched for many patterns, one after the other, and to encode letters is slow.
@lru_cache(maxsize=1)
def _encoded_letters(text: str) -> bytes:
    return text.encode()


def _options() -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 64 << 20  # The states of a big pattern should not be computed twice.
    return options


class ValuePattern:
    """Look at one place of a text with Python's `re`, which can look ahead."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self._pattern)

    def match(self, text: str, at: int = 0) -> re.Match[str] | None:
        return self._compiled.match(text, at)

    def fullmatch(self, text: str) -> re.Match[str] | None:
        return self._compiled.fullmatch(text)

    def split(self, text: str) -> list[str]:
        return [piece or "" for piece in self._compiled.split(text)]

    def search(self, text: str, at: int = 0) -> re.Match[str] | None:
        return self._compiled.search(text, at)

    def finditer(self, text: str) -> Iterator[re.Match[str]]:
        return self._compiled.finditer(text)

    def sub(self, replacement: Callable[[re.Match[str]], str], text: str) -> str:
        return self._compiled.sub(replacement, text)
