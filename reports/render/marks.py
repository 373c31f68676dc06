"""Replace characters that an encoding lacks: marks by their ASCII forms, others by `?`.

Importing this registers two error handlers of codecs, for `str.encode` and for streams.
"""

import codecs
from collections.abc import Mapping

REPLACED, ESCAPED = "tracebot.replaced", "tracebot.escaped"
"""The names of the error handlers: the first is for people, the second for programs."""

MARKS: Mapping[str, str] = {
    **dict(zip("✓✗⧖⊘☠⚠·•−–—×µ←↑↓↳", "+xt-#!.*---xu<^v`", strict=True)),
    **dict(zip("├└│─░▁▂▃▄▅▆▇█’‘“”", "|`|-._.:-=+*#''\"\"", strict=True)),
    "…": "...",
    "→": "->",
    "👍": "+1",
    "👎": "-1",
}


def in_encoding(text: str, encoding: str) -> str:
    """Return a text in which every character is one of an encoding."""
    return text.encode(encoding, REPLACED).decode(encoding)


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    return "".join(MARKS.get(each, "?") for each in lost if each != "\ufe0f"), error.end


def _escape(error: UnicodeError) -> tuple[str, int]:
    """Escape as JSON does: two halves for a character beyond U+FFFF."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    pairs = (units[at : at + 2].hex() for at in range(0, len(units), 2))
    return "".join(f"\\u{pair}" for pair in pairs), error.end


codecs.register_error(REPLACED, _replace)
codecs.register_error(ESCAPED, _escape)
