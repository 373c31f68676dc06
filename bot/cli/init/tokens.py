"""The tokens: where they come from."""

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

from bot.errors import ConfigurationError
from bot.settings import given_token


@dataclass(frozen=True, kw_only=True, slots=True)
class GivenToken:
    """A token that was found and is not checked yet.

    `source` is where it was found; both are empty without one. `stored` is the token of `.env`,
    which this one would replace.
    """

    name: str
    option: str
    value: str = field(default="", repr=False)
    source: str = ""
    stored: str = field(default="", repr=False)

    @property
    def is_new(self) -> bool:
        return bool(self.value and self.stored and self.value != self.stored)


def find_token(name: str, option: str, file: str | None, *, anew: bool) -> GivenToken:
    """Look for a token in a file, in the environment, and in `.env` unless it is asked `anew`.

    Raises `ConfigurationError` if the file cannot be read.
    """
    stored = given_token(name, environ={})[0]
    if file is not None:
        value, source = cleaned(_read(file)), option
    else:
        value, source = given_token(name)
        value = "" if anew and source == ".env" else cleaned(value)
    return GivenToken(
        name=name, option=option, value=value, source=source if value else "", stored=stored
    )


def _read(file: str) -> str:
    """Return the first line of a file that is not blank, or the next line of stdin."""
    if file == "-":
        return sys.stdin.readline()
    try:
        # Editors on Windows begin a file with a mark.
        lines = Path(file).read_text(encoding="utf-8-sig").splitlines()
        return next(filter(str.strip, lines), "")
    except (OSError, UnicodeDecodeError) as error:
        problem = getattr(error, "strerror", None) or "it is not text"
        raise ConfigurationError(f"{file} cannot be read ({problem}).") from error


def cleaned(pasted: str) -> str:
    """Return a token without what is copied with it: spaces, quotes, the name of its variable."""
    return re.sub(r"^(export\s+)?SLACK_\w+\s*=", "", pasted.strip()).strip("\"'`“”‘’ \t")


def shortened(token: str) -> str:
    """Return enough of a token to tell it from others, but not to use it."""
    return f"{token[:5]}…{token[-4:]}" if len(token) > 20 else f"{token[:5]}…"
