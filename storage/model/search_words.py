"""Decide which texts a search for words finds.

A text is read as *tokens* without case and accents: runs of letters and digits, and each single
character of a language that puts no space between words, or emoji. A word of a search is found
where its tokens follow each other in a text. The last of them may be the beginning of a longer one:
`deploy` finds *deployment*, `v1.2` finds *v1.23*, and `京都` finds *東京都*.

The full-text index (`storage.store.search_index`) only narrows the search down. It gets `document`
of a trace's texts and is asked for `SearchWords.expression`, which finds every trace that
`SearchWords.match` accepts, and sometimes more: the index knows no order of tokens.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import accumulate, pairwise

MOST_WORDS, MOST_CHARACTERS = 2_000, 40_000
MOST_TERMS = 32
"""How many terms the index is asked for. More would not narrow a search down any further."""

MOST_BYTES = 1_000_000
"""Of all terms of a trace. In a longer `tsvector` PostgreSQL mixes them up, without an error."""

LONGEST_TERM = 100
"""Characters of a longer token that the index is asked for."""

Term = tuple[str, bool]
"""A term of the index, and True for all that begin with it."""

# Thai, Lao, Myanmar, Khmer; Chinese, Japanese and Korean; emoji and signs of currencies.
_SINGLE = (
    r"\u0e01-\u0e4e\u0e81-\u0ece\u1000-\u1049\u1050-\u109f\u1780-\u17d3"
    r"\u1100-\u11ff\u3005-\u3007\u3021-\u302f\u3031-\u303c\u3041-\u30fa\u30fc-\u318f\u31a0-\u31ff"
    r"\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
    r"\u20a0-\u20cf\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff"
)
# Vowels and other marks of the scripts of India, Syriac and Maldivian, which \w leaves out.
_MARKS = r"\u0730-\u074a\u07a6-\u07b0\u0900-\u0963\u0966-\u096f\u0971-\u0df3"
_TOKEN = rf"[{_SINGLE}]|(?:(?![_{_SINGLE}])[\w{_MARKS}])+"
_ASCII_TOKEN = "[a-z0-9]+"
_ONE = f"[{_SINGLE}]"
# Accents of Latin, Greek and Cyrillic; vowels of Hebrew and Arabic; characters without width.
_IGNORED = (
    r"[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640"
    r"\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u1ab0-\u1aff"
    r"\u1dc0-\u1dff\u00ad\u200b-\u200f\u2060\ufe00-\ufe0f\ufe20-\ufe2f\ufeff]"
)
_compiled = cache(re.compile)  # At its first use: it takes 10 ms, and most programs need none.
_LETTERS = str.maketrans(
    {"ı": "i", "ł": "l", "ø": "o", "đ": "d", "ħ": "h", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe"}
)


class BadSearch(ValueError):
    """The words cannot be searched for; the message says why and what can."""


class SearchWords:
    """The words of a search, all of which a text must contain. Raises `BadSearch`."""

    def __init__(self, text: str) -> None:
        words = list(dict.fromkeys(text.split()))
        if len(words) > MOST_WORDS or len(text) > MOST_CHARACTERS:
            raise BadSearch(
                f"That is too long for a search: give at most {MOST_WORDS:,} different words, with "
                f"{MOST_CHARACTERS:,} characters together."
            )
        self._words = [found for word in words if (found := tokens(word))]
        if not self._words:
            raise BadSearch(f"{text!r} has no letters or digits: give a word to search for.")
        self._tokens = {token for word in self._words for token in word}
        self._lines = [_line(word) for word in self._words]

    def match(self, *texts: str | None) -> bool:
        """Return True if each word is in one of the texts of a trace."""
        folded = [_fold(text) for text in texts if text]
        # Most traces are told apart by this alone, which is much quicker than reading the tokens.
        if not all(any(token in text for text in folded) for token in self._tokens):
            return False
        read = "\n".join(_line(_split(text)) for text in folded)
        return all(line in read for line in self._lines)

    @property
    def expression(self) -> str:
        """The condition for the index of SQLite, in the syntax of FTS5."""
        return " AND ".join(f'"{term}"{" *" if begins else ""}' for term, begins in self._sought())

    @property
    def tsquery(self) -> str:
        """The same condition for the index of PostgreSQL."""
        return " & ".join(f"'{term}'{':*' if begins else ''}" for term, begins in self._sought())

    def _sought(self) -> list[Term]:
        found = dict.fromkeys(term for word in self._words for term in _sought(word))
        # The longest are the rarest. They hold neither quotes nor operators.
        return sorted(found, key=lambda term: len(term[0]), reverse=True)[:MOST_TERMS]


def document(*texts: str | None) -> str:
    """Return what the index gets of the texts of a trace.

    The index splits it at everything in ASCII that is not a letter or digit, and ignores the case.
    """
    return " ".join(
        text if text.isascii() else " ".join(_terms(tokens(text))) for text in texts if text
    )


def document_terms(*texts: str | None) -> list[str]:
    """Return the terms of `document` as an index reads them, of long ones the beginning.

    Only of texts that nobody has written are there too many of them for PostgreSQL: those left out
    are not found.
    """
    found = _compiled(r"[a-z0-9\u0080-\U0010ffff]+").findall(document(*texts).lower())
    terms = dict.fromkeys(term[: LONGEST_TERM + 1] for term in found)
    ends = accumulate(len(term.encode()) for term in terms)
    return [term for term, end in zip(terms, ends, strict=True) if end <= MOST_BYTES]


def tokens(text: str) -> list[str]:
    return _split(_fold(text))


def _fold(text: str) -> str:
    """Return the text without case, accents, and different forms of the same character."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text).casefold()
    return unicodedata.normalize("NFKC", _compiled(_IGNORED).sub("", apart).translate(_LETTERS))


def _split(folded: str) -> list[str]:
    return _compiled(_ASCII_TOKEN if folded.isascii() else _TOKEN).findall(folded)


def _line(found: Sequence[str]) -> str:
    """Return tokens so that those of a word are part of those of a text where they are found."""
    return " " + " ".join(found)


def _is_single(token: str) -> bool:
    return len(token) == 1 and _compiled(_ONE).match(token) is not None


def _terms(found: Sequence[str]) -> Iterator[str]:
    """Return the terms of a text: pairs of single characters, as there are few different ones."""
    for token, following in pairwise((*found, "")):
        yield token + following if _is_single(token) and _is_single(following) else token


def _sought(word: Sequence[str]) -> Iterator[Term]:
    """Return the terms of a word that find it in the index."""
    *whole, last = _terms(word)
    yield from map(_cut, whole)
    # A single character may be the first of a pair in the text. After another one, it is part of
    # the pair before it already.
    if not all(map(_is_single, word[-2:])) or len(word) == 1:
        yield _cut(last, begins=True)


def _cut(term: str, *, begins: bool = False) -> Term:
    return term[:LONGEST_TERM], begins or len(term) > LONGEST_TERM
