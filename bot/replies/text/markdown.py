"""The structure of an agent's Markdown, as CommonMark defines it.

Slack's `markdown` blocks are close to CommonMark with tables; Slack does not publish their grammar.
"""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator

from markdown_it import MarkdownIt
from markdown_it.token import Token

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
"""Keeps no state between texts, so that threads may share it."""

IN_CODE = "\0"
OPAQUE = "\1"

_TARGET = re.compile(r"https?://[^\s<>]+|(?<=\])\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*\)|<[^<>\n]*>")
"""A link's address. Its underscores and asterisks do not mark emphasis."""


def block_tokens(text: str) -> list[Token]:
    """Return the blocks of *text*; their inline content is not parsed."""
    tokens: list[Token] = []
    PARSER.block.parse(text, PARSER, {}, tokens)
    return tokens


def prose(text: str) -> str:
    """Return *text*, equally long, with its code and its links' addresses made unreadable.

    Each character keeps its place, and each newline stays, so that something found in the prose is
    at the same place in *text*.
    """
    lines = text.split("\n")
    for token in block_tokens(text):
        if token.type in ("fence", "code_block") and token.map:
            for number in range(*token.map):
                lines[number] = IN_CODE * len(lines[number])
            if token.type == "fence":  # Its language is not code, and Slack may show it as text.
                lines[token.map[0]] = OPAQUE * len(lines[token.map[0]])
    hidden = list("\n".join(lines))
    for start, end in _code_spans("".join(hidden)):
        hidden[start:end] = _hide(hidden[start:end], IN_CODE)
    without_code = "".join(hidden)
    return _TARGET.sub(lambda found: "".join(_hide(found[0], OPAQUE)), without_code)


def _hide(characters: str | list[str], mark: str) -> Iterator[str]:
    return (each if each == "\n" else mark for each in characters)


def _code_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield where code between backticks begins and ends, in each paragraph by itself."""
    start = 0
    for end in [*(found.start() for found in re.finditer(r"\n[ \t]*(?=\n)|\0+", text)), len(text)]:
        yield from _spans_within(text, start, end)
        start = end


def _spans_within(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    runs = [(m.start(), m.end()) for m in re.compile(r"(?<!\\)`+").finditer(text, start, end)]
    by_length: dict[int, list[int]] = defaultdict(list)
    for number, (first, last) in enumerate(runs):
        by_length[last - first].append(number)
    number = 0
    while number < len(runs):
        first, last = runs[number]
        same = by_length[last - first]
        place = bisect_right(same, number)
        # A run of backticks ends at the next run of the same length; without one it is text.
        if place < len(same):
            yield first, runs[same[place]][1]
            number = same[place]
        number += 1
