"""The page of the settings, from `.env.example` and the types in `bot.settings`."""

import re

from bot.settings import PREFIX, Settings
from tests.support.paths import ROOT

HEAD = """\
# Settings

Environment variables, or lines of the file `.env` in the folder in which the bot is started; the
environment has precedence. All commands read them. `tracebot doctor` names those that are misspelt
or invalid. This page is made by `scripts/reference` from `.env.example`, which a test holds equal
to the code.

| variable | default | |
|---|---|---|
"""

SECRET = "SecretStr"


def settings_page() -> str:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    found = re.findall(r"((?:^# .*\n)+)([A-Z_]+)=(.*)$", example, re.MULTILINE)
    return HEAD + "".join(
        f"| `{name}` | {f'`{default}`' if default else _without(name)} | {_meaning(comment)} |\n"
        for comment, name, default in found
    )


def _meaning(comment: str) -> str:
    """Return a comment as one cell of a table."""
    text = " ".join(line.removeprefix("# ") for line in comment.splitlines())
    return text.replace("|", "\\|").replace("<", "&lt;")


def _without(name: str) -> str:
    """Return what stands for a default of a setting that has none."""
    fields = Settings.model_fields
    field = fields.get(name.removeprefix(PREFIX).lower()) or fields[name.lower()]
    return "secret, none" if SECRET in str(field.annotation) else "none"
