"""Choose the messages of a long conversation that an agent is given.

The first message says what it is about, the newest ones where it stands. Of those between, the ones
that share rare words with the question come first, and then the newest.
"""

import math
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

OVERHEAD = 60
"""Characters for the author and the time of a message."""

MOST_WORDS = 50
"""Words of a question that are looked for."""

WORD = re.compile(r"\w{3,}")
CJK = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]{2,}")
"""Chinese, Japanese and Korean: words are not separated, or have endings. Two letters count."""

RARE = 0.2
"""The part of all messages in which a word may be, to say anything about one of them."""


def chosen(texts: Sequence[str], question: str, *, most: int) -> list[int]:
    """Return the positions of the messages to keep, in order; *most* is in characters.

    The first and the last message are always kept. Each counts as at most what `shortened` leaves
    of it.
    """
    sizes = [min(len(text), longest(most)) + OVERHEAD for text in texts]
    if sum(sizes) <= most:
        return list(range(len(texts)))
    newest = range(len(texts) - 1, 0, -1)
    kept, left = {0}, most - sizes[0]
    # Half of the room is for the newest, whatever they say.
    left = _take(newest, sizes, kept, left - most // 4) + most // 4
    left = _take(_by_relevance(texts, question), sizes, kept, left, skip=True)
    _take(newest, sizes, kept, left)
    return sorted(kept | {len(texts) - 1})


def longest(most: int) -> int:
    """Return how many characters a single message may have."""
    return max(most // 2 - OVERHEAD, 0)


def shortened(text: str, most: int) -> str:
    """Return *text*, without its middle if it has more than *most* characters."""
    if len(text) <= most:
        return text
    note = f"\n[… {len(text) - most:,} characters are left out here …]\n"
    head = max(most - len(note), 0) // 2
    return f"{text[:head]}{note}{text[len(text) - head :]}"


def _take(
    positions: Iterable[int], sizes: Sequence[int], kept: set[int], left: int, *, skip: bool = False
) -> int:
    """Add messages to *kept* while they fit, and return the room that is left.

    With *skip* a message that does not fit does not keep the next one from being taken.
    """
    for position in positions:
        if position in kept:
            continue
        if sizes[position] > left:
            if skip:
                continue
            break
        kept.add(position)
        left -= sizes[position]
    return left


def _by_relevance(texts: Sequence[str], question: str) -> list[int]:
    """Return the positions of messages that share rare words with the question, the best first."""
    folded = [text.casefold() for text in texts]
    scores = [0.0] * len(texts)
    for word in _words(question):
        having = [position for position, text in enumerate(folded) if word in text]
        if having and len(having) <= max(RARE * len(texts), 1):
            for position in having:
                scores[position] += math.log(len(texts) / len(having))
    found = [position for position, score in enumerate(scores) if score > 0]
    return sorted(found, key=lambda position: (scores[position], position), reverse=True)


def _words(question: str) -> list[str]:
    found = WORD.findall(question.casefold())
    pairs = ["".join(pair) for run in CJK.findall(question) for pair in pairwise(run)]
    return list(dict.fromkeys((*found, *pairs)))[:MOST_WORDS]
