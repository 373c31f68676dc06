"""Make text storable: no database takes lone surrogates, and PostgreSQL takes no NUL."""


def storable(text: str) -> str:
    """Return `text` with lone surrogates and NUL characters replaced."""
    if is_storable(text):
        return text
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def is_storable(text: str) -> bool:
    """Return True if `text` surely needs no replacing, which is quick to tell for ASCII."""
    return text.isascii() and "\0" not in text
