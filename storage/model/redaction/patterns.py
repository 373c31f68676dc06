"""Patterns that are compiled when they are first used: most processes meet no secret."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

import re2

Range = tuple[int, int]
Found = Mapping[str, Range]
"""Name of a group that took part in a match → its range. The whole match is `""`."""


class Pattern:
    """Search whole texts with RE2, in time that is linear in their length."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern

    @cached_property
    def _compiled(self) -> Any:
        options = re2.Options()
        options.log_errors = False
        options.max_mem = 64 << 20  # The states of a big pattern should not be computed twice.
        return re2.compile(self.pattern, options)

    @cached_property
    def _groups(self) -> Mapping[str, int]:
        return {"": 0, **self._compiled.groupindex}

    def in_text(self, text: str) -> bool:
        return self._compiled.search(text) is not None

    def finditer(self, text: str) -> Iterator[Found]:
        for match in self._compiled.finditer(text):
            spans = {name: match.span(group) for name, group in self._groups.items()}
            yield {name: span for name, span in spans.items() if span[0] >= 0}


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
