"""Make text storable: no database takes lone surrogates, and PostgreSQL takes no NUL.

Nor does it take more than 2,704 bytes for all columns of an index together.
"""

MAX_KEY = 500
"""Bytes of a text that an index holds, so that five of them fit into one."""


def storable(text: str) -> str:
    """Return `text` with lone surrogates and NUL characters replaced."""
    if is_storable(text):
        return text
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def is_storable(text: str) -> bool:
    """Return True if `text` surely needs no replacing, which is quick to tell for ASCII."""
    return text.isascii() and "\0" not in text


def as_key(text: str, *, most: int = MAX_KEY) -> str:
    """Return a storable text that fits into an index: of a longer one the beginning."""
    if 4 * len(text) <= most or len(data := text.encode()) <= most:
        return text
    return f"{data[: most - 3].decode(errors='ignore')}…"
