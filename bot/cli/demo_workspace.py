"""Start the workspace of a demo, keep it open with its page, and say how to go on."""

import os
import shlex
import shutil
import signal
import sys
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bot.cli.manifest import manifest_path
from bot.cli.output import output_form
from bot.errors import ConfigurationError
from bot.sandbox import Sandbox
from bot.sandbox.state.manifest import Manifest
from reports.formatting import visible

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True, kw_only=True, slots=True)
class Stay:
    """Keep the workspace open at a port of its own, if `keep`, and in a browser, if `open`."""

    keep: bool = False
    open: bool = False
    port: int = 0

    def start(self) -> Sandbox:
        """Start the workspace. Raises `ConfigurationError` if the port is taken."""
        try:
            return Sandbox.start(read_manifest(), port=self.port if self.keep else 0)
        except OSError as error:
            reason = os.strerror(error.errno or 0)  # Its own text repeats the address.
            raise ConfigurationError(
                f"Port {self.port} cannot be used ({reason}): close the other demo, "
                f"or choose another with --port {self.port + 1}; 0 is any free one."
            ) from error


def demo_console() -> "Console":
    """Return a console on stdout with colours where the other commands have them."""
    from rich.console import Console

    colour = output_form()["colour"]
    return Console(
        highlight=False,
        soft_wrap=True,
        emoji=False,
        force_terminal=colour,
        color_system="standard" if colour else None,
    )


def keep_open(sandbox: Sandbox, stay: Stay) -> None:
    """Wait for Ctrl-C, with the page in a browser if that is wanted and possible."""
    console = demo_console()
    console.print(
        f"The workspace is open at [bold]{sandbox.page_url}[/]. Press Ctrl-C to close it."
    )
    if stay.open and not webbrowser.open(sandbox.page_url):
        console.print("No browser could be opened: open this address in one.")
    wait: Callable[[], object] = signal.pause
    try:
        wait()
    except KeyboardInterrupt:
        console.print()


def read_manifest() -> Manifest:
    return Manifest.read(manifest_path())


def plain(text: str) -> str:
    """Escape text of others, so that rich does not read it as markup."""
    return visible(text).replace("[", r"\[")


def own_command() -> str:
    """Return how this program can be called from the current folder."""
    program = Path(os.path.abspath(sys.argv[0]))
    found = shutil.which(program.name)
    if found and os.path.abspath(found) == str(program):
        return program.name
    here = Path.cwd()
    return shlex.quote(str(program.relative_to(here) if program.is_relative_to(here) else program))
