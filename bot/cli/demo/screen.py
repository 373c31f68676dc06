"""Print what people see in Slack as a transcript that fits the terminal."""

import shutil
import textwrap

from rich.text import Text

from bot.cli.demo_workspace import demo_console
from reports.formatting import visible

WIDEST = 100
PIPE = 80
"""The most columns of a transcript, and how many it has if stdout is not a terminal."""

SAID = 13
"""The column at which messages begin."""


class Screen:
    """A transcript in the terminal."""

    def __init__(self) -> None:
        self._console = demo_console()
        columns = shutil.get_terminal_size((PIPE, 24)).columns
        self.width = min(columns, WIDEST)

    def heading(self, text: str) -> None:
        self._console.print(Text(f"\n{text}", style="bold"))

    def say(self, text: str = "", *, style: str = "") -> None:
        """Print a paragraph."""
        for line in textwrap.wrap(visible(text), self.width) or [""]:
            self._console.print(Text(line, style=style))

    def said(self, who: str, text: str, *, style: str = "") -> None:
        """Print what somebody said; empty if it is the same one as before."""
        first = f"  {who:<{SAID - 2}}"
        for line in visible(text).splitlines():
            for part in textwrap.wrap(line, self.width - SAID) or [""]:
                self._console.print(Text.assemble((first, "bold"), (part, style)))
                first = " " * SAID

    def note(self, text: str) -> None:
        """Print what Slack does not show, below what was said."""
        self.said("", text, style="dim")

    def answer(self, text: str, *, lines: int) -> None:
        """Print the first *lines* of a command's answer, which may have colours."""
        every = text.strip("\n").splitlines()
        for line in every[:lines]:
            self._console.print(Text.from_ansi(line))
        if len(every) > lines:
            self._console.print(Text(f"… {len(every) - lines} more lines", style="dim"))

    def commands(self, commands: dict[str, str]) -> None:
        """Print command lines that can be pasted, each with its explanation as a comment."""
        longest = max(len(line) for line, why in commands.items() if why)
        for line, why in commands.items():
            comment = Text(f"  # {why}" if why else "", style="dim")
            self._console.print(Text.assemble("  ", f"{line:<{longest}}" if why else line, comment))
