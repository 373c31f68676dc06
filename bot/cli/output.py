"""Print an answer: as text for people, as JSON or as tab-separated values for programs.

A terminal gets lines that fit its width, in colour, and a pager if there are many. A pipe gets each
paragraph and each row on one line, without colour. Imports are inside of functions, because every
command line waits for them.
"""

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypedDict

from bot.cli.streams import is_unicode
from reports.errors import UsageError

if TYPE_CHECKING:
    from argparse import Namespace

    from reports.views.views import View

PAGER = "less"
LESS = "FRX"
"""The options of less, unless the variable LESS has others: end if all fits on the screen, show
colours, and leave the text on the screen."""

DUMB = ("", "dumb")
"""Values of TERM for what cannot move a cursor, such as a shell in an editor."""


def show(view: "View", args: "Namespace") -> None:
    """Print a view in the way that the arguments ask for. Raises `UsageError`."""
    if args.json:
        from reports.render.json_output import render as render_json

        print(render_json(view))  # noqa: T201
    elif getattr(args, "tsv", False):
        _show_values(view)
    else:
        text = for_people(view)
        paged = sys.stdout.isatty() and os.environ.get("TERM", "") not in DUMB
        if paged and not getattr(args, "no_pager", False) and text.count("\n") >= _size().lines:
            _page(f"{text}\n")
        else:
            print(text)  # noqa: T201


def check_output(args: "Namespace") -> None:
    """Raise `UsageError` if the arguments ask for two kinds of output."""
    if args.json and getattr(args, "tsv", False):
        raise UsageError("--json and --tsv exclude each other: leave one out.", word="--tsv")


def for_people(view: "View") -> str:
    """Return a view as text that fits the terminal, or unwrapped if stdout is something else."""
    from reports.render.terminal import render

    return render(view, **output_form())


class Form(TypedDict):
    """How text is laid out: see `reports.render.columns.layout`."""

    width: int | None
    colour: bool
    encoding: str | None


def output_form(environ: Mapping[str, str] = os.environ) -> Form:
    """Return the form of text on stdout: as wide as the terminal, and coloured if it can be.

    FORCE_COLOR and CLICOLOR_FORCE colour a pipe, too, and are stronger than NO_COLOR, as for gh.
    COLUMNS then says how wide the lines may be.
    """
    in_terminal, forced = sys.stdout.isatty(), _is_forced(environ)
    return {
        "width": _size().columns if in_terminal or (forced and "COLUMNS" in environ) else None,
        "colour": forced or (in_terminal and not _is_plain(environ)),
        "encoding": None if is_unicode(sys.stdout) else sys.stdout.encoding,
    }


def _size() -> os.terminal_size:
    import shutil  # Programs do not wait for it.

    return shutil.get_terminal_size()


FORCING = ("FORCE_COLOR", "CLICOLOR_FORCE")
NO = ("", "0", "false")


def _is_forced(environ: Mapping[str, str]) -> bool:
    return any(environ.get(name, "").lower() not in NO for name in FORCING)


def _is_plain(environ: Mapping[str, str]) -> bool:
    """Return whether colours are not wanted: https://no-color.org, https://bixense.com/clicolors."""
    return (
        bool(environ.get("NO_COLOR"))
        or environ.get("TERM") in DUMB
        or environ.get("CLICOLOR") == "0"
        or environ.get("FORCE_COLOR", "").lower() in NO[1:]
    )


def _show_values(view: "View") -> None:
    """Print the rows. What is not one of them, such as a message, goes to stderr."""
    from reports.render.tsv import rest, rows

    sys.stdout.writelines(rows(view))
    sys.stderr.write(rest(view))


def _page(text: str) -> None:
    import shlex
    import signal
    import subprocess

    from bot.agents.programs.process.environment import FORBIDDEN, matches

    # Without the bot's secrets, like every other program that it starts.
    passed = {
        name: text for name, text in os.environ.items() if not matches(name.upper(), FORBIDDEN)
    }
    # Without R it would show the colours as text.
    passed["LESS"] = f"-R {passed['LESS']}" if "LESS" in passed else LESS
    try:
        process = subprocess.Popen(
            shlex.split(os.environ.get("PAGER", PAGER)),
            stdin=subprocess.PIPE,
            encoding=sys.stdout.encoding,
            errors=sys.stdout.errors,
            env=passed,
        )
    except (OSError, IndexError, ValueError):
        # It is not installed, or the variable is empty or lacks a quote.
        sys.stdout.write(text)
        return
    # Ctrl-C is for the pager, which ends a search by it. The terminal is its own until it ends.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process.communicate(text)
    finally:
        signal.signal(signal.SIGINT, before)
