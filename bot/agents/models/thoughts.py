"""Leave out what a model thinks before it answers.

Most servers send it in a field of its own, which is not read here. Others send it as the beginning
of the answer, between `<think>` and `</think>`, and some of these without the first.
"""

import re

OPENING, CLOSING = "<think>", "</think>"

UNOPENED = re.compile(rf"(?:(?!{OPENING}).)*?^{CLOSING}\s*?$\s*\n", re.DOTALL | re.MULTILINE)


def without_thoughts(answer: str) -> str:
    """Return a whole answer without thoughts whose beginning is not marked."""
    if CLOSING not in answer:
        return answer
    thoughts = UNOPENED.match(answer)
    return answer[thoughts.end() :] if thoughts else answer


class ThoughtFilter:
    """Takes an answer piece by piece, and returns what is to be shown of it."""

    def __init__(self) -> None:
        self._held = ""
        self._thinks = False
        self._answers = False

    @property
    def held(self) -> str:
        """Return the beginning of an answer that may still become a thought."""
        return "" if self._thinks else self._held

    def add(self, piece: str) -> str:
        """Return what *piece* adds to the answer."""
        if self._answers:
            return piece
        self._held += piece
        while self._thinks or self._held.lstrip().startswith(OPENING):
            _, end, after = self._held.partition(CLOSING)
            self._thinks = not end
            if self._thinks:
                # Enough to find an end that comes in several pieces.
                self._held = self._held[1 - len(CLOSING) :]
                return ""
            self._held = after.lstrip("\r\n")
        if OPENING.startswith(self._held.lstrip()):
            return ""
        self._answers = True
        shown, self._held = self._held.lstrip("\r\n"), ""
        return shown
