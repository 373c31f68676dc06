"""Print an answer: as text for people, as JSON or as tab-separated values for programs.

A terminal gets lines that fit its width, in colour, and a pager if there are many. A pipe gets each
paragraph and each row on one line, without colour. Imports are inside of functions, because every
command line waits for them.
"""

import os
import shutil
import sys
from typing import TYPE_CHECKING

from reports.errors import UsageError

if TYPE_CHECKING:
    from argparse import Namespace

    from reports.views.views import View

PAGER = "less"
LESS = "FRX"
"""The options of less, unless the variable LESS has others: end if all fits on the screen, show
colours, and leave the text on the screen."""


def show(view: "View", args: "Namespace") -> None:
    """Print a view in the way that the arguments ask for. Raises `UsageError`."""
    if args.json:
        from reports.render.json_output import render as render_json

        print(render_json(view))  # noqa: T201
    elif getattr(args, "tsv", False):
        _show_values(view)
    else:
        text = for_people(view)
        is_short = text.count("\n") < shutil.get_terminal_size().lines
        if is_short or not sys.stdout.isatty() or getattr(args, "no_pager", False):
            print(text)  # noqa: T201
        else:
            _page(f"{text}\n")


def check_output(args: "Namespace") -> None:
    """Raise `UsageError` if the arguments ask for two kinds of output."""
    if args.json and getattr(args, "tsv", False):
        raise UsageError("--json and --tsv exclude each other: leave one out.", word="--tsv")


def for_people(view: "View") -> str:
    """Return a view as text that fits the terminal, or unwrapped if stdout is something else."""
    from reports.render.terminal import render

    width, colour = output_form()
    return render(view, width=width, colour=colour)


def output_form() -> tuple[int | None, bool]:
    """Return the width of stdout, None if it is not a terminal, and whether it shows colours."""
    if not sys.stdout.isatty():
        return None, False
    return shutil.get_terminal_size().columns, "NO_COLOR" not in os.environ


def _show_values(view: "View") -> None:
    """Print the rows. What is not one of them, such as a message, goes to stderr."""
    from reports.render.tsv import rest, rows

    sys.stdout.writelines(rows(view))
    sys.stderr.write(rest(view))


def _page(text: str) -> None:
    import shlex
    import subprocess

    from bot.agents.programs.process.environment import FORBIDDEN, matches

    pager = shlex.split(os.environ.get("PAGER", PAGER))
    # Without the bot's secrets, like every other program that it starts.
    passed = {
        name: text for name, text in os.environ.items() if not matches(name.upper(), FORBIDDEN)
    }
    try:
        process = subprocess.Popen(
            pager, stdin=subprocess.PIPE, text=True, env={"LESS": LESS, **passed}
        )
    except (OSError, IndexError):  # It is not installed, or the variable is empty.
        sys.stdout.write(text)
        return
    try:
        process.communicate(text)
    except KeyboardInterrupt:
        # Ctrl-C is for the pager, which ends a search by it. The terminal is its own until it ends.
        process.wait()
