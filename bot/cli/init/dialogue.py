"""Talk with the person who runs `tracebot init`; without a terminal, only tell."""

import getpass
import os
import sys
import textwrap

from bot.cli.findings import WARNING, WELL, WRONG
from bot.cli.output import output_form
from reports.formatting import visible

INDENT = "   "


class Stopped(Exception):
    """The person said no to a question that needs a yes before anything is written."""


class Dialogue:
    """A conversation in numbered steps. `attended` is False if nobody can answer questions."""

    def __init__(self, *, attended: bool) -> None:
        self.attended = attended
        self._steps = 0

    def step(self, title: str) -> None:
        self._steps += 1
        head = f"{self._steps}. {title}"
        bold = output_form()["colour"]
        sys.stdout.write(f"\n\033[1m{head}\033[0m\n" if bold else f"\n{head}\n")

    def tell(self, text: str, *, mark: str = "") -> None:
        """Print a paragraph, as wide as the terminal, with its lines aligned."""
        first = f"{INDENT}{mark} " if mark else INDENT
        width = output_form()["width"]
        if width is not None:
            text = textwrap.fill(
                visible(text),
                max(width, 40),
                initial_indent=first,
                subsequent_indent=" " * len(first),
                # A link that is broken leads nowhere.
                break_long_words=False,
                break_on_hyphens=False,
            )
        else:
            text = f"{first}{visible(text)}"
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def link(self, url: str, *, to: str | None = None) -> None:
        """Print a link. Terminals that know hyperlinks open `to` in its place."""
        url = visible(url)
        if to is not None and os.environ.get("TERM", "dumb") != "dumb":
            url = f"\033]8;;{to}\033\\{url}\033]8;;\033\\"
        sys.stdout.write(f"{INDENT}{url}\n")

    def well(self, text: str) -> None:
        self.tell(text, mark=WELL)

    def warn(self, text: str) -> None:
        self.tell(text, mark=WARNING)

    def refuse(self, text: str) -> None:
        self.tell(text, mark=WRONG)

    def ask(self, question: str, default: str) -> str:
        return input(f"{INDENT}{visible(question)} [{default}] ").strip() or default

    def confirm(self, question: str) -> bool:
        """Return True for yes, which is also what Enter alone means."""
        return not input(f"{INDENT}{visible(question)} [Y/n] ").strip().lower().startswith("n")

    def secret(self, question: str) -> str:
        """Return what is pasted. The terminal does not show it."""
        return getpass.getpass(f"{INDENT}{question}: ")
