"""Read a table of the agents file; errors name the file, the line and the nearest key."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from bot.errors import ConfigurationError


class RosterError(ConfigurationError):
    """The agents file is wrong, or has no such agent; the message says what to write."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TomlSection:
    """A table of a TOML file, with what is needed to say where a mistake is.

    `name` is the table's dotted name, empty for the file itself; `source` is the file's text.
    """

    path: Path
    source: str
    name: str
    values: Mapping[str, object]

    def table(self, key: str) -> "TomlSection":
        """Return the table under `key`, an empty one if there is none."""
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise self.error(
                key, f"{key} must be a table: write [{self._dotted(key)}] on its own line"
            )
        return TomlSection(path=self.path, source=self.source, name=self._dotted(key), values=value)

    def tables(self, key: str, *, short: str) -> list["TomlSection"]:
        """Return the tables of a list; a text stands for a table with that text under `short`."""
        value = self.values.get(key)
        if not isinstance(value, list) or not value:
            raise self.error(key, f'{key} must be a list, such as ["claude", "codex"]')
        tables = [{short: each} if isinstance(each, str) else each for each in value]
        if not all(isinstance(table, dict) for table in tables):
            raise self.error(
                key, f'{key} must be a list of names, or of tables such as {{ {short} = "…" }}'
            )
        return [replace(self, values=table) for table in tables]

    def only(self, known: Collection[str]) -> None:
        """Refuse keys that are not in `known`: most are misspelt."""
        for key in self.values:
            self.known(key, known)

    def known(self, key: str, known: Collection[str]) -> None:
        if key not in known:
            raise self.error(key, f"unknown key {key}{nearest(key, known)}")

    def text(self, key: str, default: str) -> str:
        value = self.values.get(key, default)
        if not isinstance(value, str) or not value or "\0" in value:
            raise self.error(
                key, f'{key} must be a text in quotes, such as "{default or "claude"}"'
            )
        return value

    def choice(self, key: str, choices: Collection[str], default: str) -> str:
        value = self.text(key, default)
        if value not in choices:
            known = " or ".join(f'"{choice}"' for choice in choices)
            raise self.error(key, f'{key} must be {known}, not "{value}"')
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(map(_is_text, value)):
            raise self.error(key, f'{key} must be a list of texts, such as ["claude", "-p"]')
        return tuple(value)

    def boolean(self, key: str, *, default: bool) -> bool:
        value = self.values.get(key, default)
        if not isinstance(value, bool):
            raise self.error(key, f"{key} must be true or false")
        return value

    def seconds(self, key: str, default: float) -> float:
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(key, f"{key} must be a number of seconds, such as 600")
        if not 0 < value <= 86_400:
            raise self.error(key, f"{key} must be more than 0 and at most 86400 seconds")
        return float(value)

    def integer(self, key: str) -> int | None:
        """Return a whole number above 0, or None if the key is missing."""
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self.error(key, f"{key} must be a whole number above 0, such as 1000")
        return value

    def number(self, key: str, *, most: float) -> float | None:
        """Return a number from 0 to `most`, or None if the key is missing."""
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
            raise self.error(key, f"{key} must be a number from 0 to {most:g}")
        return float(value)

    def mapping(self, key: str) -> dict[str, str]:
        value = self.values.get(key, {})
        if not isinstance(value, dict) or not all(map(_is_text, value.values())):
            raise self.error(key, f'{key} must be a table of texts, such as {{ NAME = "value" }}')
        return dict(value)

    def error(self, key: str | None, what: str) -> RosterError:
        """Return an error at `key`, or at the table itself if that is None."""
        line = line_of(self.source, self.name, key)
        at = f", line {line}" if line else ""
        table = f", in [{self.name}]" if self.name else ""
        end = "" if what.endswith((".", "?")) else "."
        return RosterError(f"{self.path}{at}{table}: {what}{end}")

    def _dotted(self, key: str) -> str:
        return f"{self.name}.{key}" if self.name else key


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the end of a sentence that names the known word nearest to `word`, else all."""
    choices = list(known)
    match = get_close_matches(word, choices, n=1)
    if match:
        return f"; did you mean {match[0]}?"
    return f"; known are {', '.join(choices)}." if choices else "."


def line_of(source: str, section: str, key: str | None) -> int | None:
    """Return the line of `key` in `[section]`, else the section's, else None.

    `tomllib` keeps no lines. This finds them in files as people write them, not in all of TOML.
    """
    line = _line_below(source, section, key)
    if line or not section:
        return line
    # The table may be written inline, such as access = { people = ["U1"] } in its parent.
    parent, _, own = section.rpartition(".")
    return line_of(source, parent, own)


def _line_below(source: str, section: str, key: str | None) -> int | None:
    current, section_line, inline = "", None, None
    for number, line in enumerate(source.splitlines(), 1):
        header = re.match(r"\s*\[\s*([^\[\]]+?)\s*\]", line)
        if header:
            current = header[1].replace('"', "").replace("'", "")
            if key is not None and current == (f"{section}.{key}" if section else key):
                return number
            if current == section:
                section_line = number
        elif current == section and key is not None:
            if _assigns(line, key):
                return number
            if inline is None and re.search(rf"[{{,]\s*{re.escape(key)}\s*=", line):
                inline = number
    return inline or section_line


def _assigns(line: str, key: str) -> bool:
    return re.match(rf"""\s*["']?{re.escape(key)}["']?\s*[=.]""", line) is not None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and "\0" not in value
