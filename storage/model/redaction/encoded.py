"""Find text in base64 that may hold a secret, by words such as `password` in it.

Base64 turns three bytes into four characters, so a word reads in one of three ways.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterator

from storage.model.redaction.patterns import Pattern, Range, ValuePattern

WORDS = (
    *("passw", "secret", "token", "api_key", "apikey", "api-key"),
    *("xoxb-", "xoxp-", "xapp-", "ghp_"),
)


def _encodings(word: str) -> Iterator[str]:
    """Yield how *word* reads in base64, by the number of bytes before it."""
    for before in range(3):
        encoded = b64encode(bytes(before) + word.encode()).decode()
        # Without the characters in which there are bits of other letters.
        yield encoded[-(-before * 8 // 6) : (before + len(word)) * 8 // 6]


HINT = "|".join(
    dict.fromkeys(
        each
        for word in WORDS
        for written in (word, word.upper(), word.title())
        for each in _encodings(written)
    )
)

_hint = Pattern(HINT)
_base64 = ValuePattern(r"[A-Za-z0-9+/_-]{12,}={0,2}")
_STANDARD = str.maketrans("-_", "+/")


def decoded(text: str) -> Iterator[tuple[Range, str]]:
    """Yield where there is base64 that may hold a secret, and as what it reads."""
    if _hint.in_text(text):
        for found in _base64.finditer(text):
            if _hint.in_text(found[0]):
                whole = found[0].rstrip("=").translate(_STANDARD)
                padded = whole + "=" * (-len(whole) % 4) if len(whole) % 4 != 1 else whole[:-1]
                yield found.span(), b64decode(padded).decode(errors="replace")
