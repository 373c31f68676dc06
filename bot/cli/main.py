"""`tracebot`: the commands of `/trace`, and those that only a shell has.

Imports are inside of functions, so that a command waits only for what it needs.
"""

import gc
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from bot.cli.exit_codes import DONE, FAILED, INTERRUPTED, USAGE
from bot.cli.lazy_drivers import leave_out_drivers

YOUNG_OBJECTS = 50_000
"""How many new objects the garbage collector waits for.

Python's 700 let it look through everything dozens of times while a command is imported, and many
times through each request that is received, for cycles that are not there.
"""

WITH_THREADS = (["serve"], ["collect"], ["query"])
"""Commands whose threads have connections to the database. Python's last search closes those, and
the last one to close empties SQLite's log. The demo's database is not worth its 0.4 s."""


NOT_TEXT = "The command line has a character that is not text: write it as UTF-8, or leave it out."

NOWHERE = "The folder you are in was removed: change to another folder."


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    gc.set_threshold(YOUNG_OBJECTS)
    if os.environ.get("PYTHONPATH"):
        with suppress(OSError):  # A folder that was removed.
            _search_last(os.environ["PYTHONPATH"])
    leave_out_drivers()
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        _prepare(given)
        code = tracebot(given)
    except KeyboardInterrupt:  # While something is imported, for instance.
        code = INTERRUPTED
    if given[:1] == ["run"]:
        _leave(code)
    if given[:1] not in WITH_THREADS:
        gc.freeze()  # Else Python searches all that was imported for cycles, which takes 20 ms.
    sys.exit(code)


def _search_last(folders: str) -> None:
    """Import from PYTHONPATH only what is nowhere else.

    It is meant for the command to record: a project's own `storage`, or libraries for another
    Python, are not ours.
    """
    given = {os.path.abspath(each) for each in folders.split(os.pathsep)}
    ours = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    others = [each for each in sys.path if each not in given]
    sys.path[:] = [*others, ours, *(each for each in sys.path if each in given)]


def _prepare(given: Sequence[str]) -> None:
    """Protect this process and its streams before a command runs."""
    if any("://" in each for each in given):
        from bot.cli.own_process import hide_passwords

        hide_passwords()
    if given[:1] in (["serve"], ["query"]):
        # Here and not in the commands: a process that calls `tracebot` has children of its own.
        from bot.cli.own_process import protect_own_process

        protect_own_process()
    if given[:1] == ["serve"]:
        from bot.cli.commands.signals import note_hangups

        note_hangups()
    if given[:1] != ["run"]:  # Its command gets the streams and the environment as they are.
        from bot.cli.streams import prepare_streams

        prepare_streams(given)
        if not os.path.isabs(os.environ.get("HOME", os.path.expanduser("~"))):
            # A container may run as a user whom it does not know. Docker takes this home, too.
            os.environ["HOME"] = "/"


def _leave(code: int) -> NoReturn:
    """End at once: Python would free all that was imported first, for which a shell would wait."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        with suppress(OSError):  # `tracebot run --help | head`
            stream.flush()
    os._exit(code)


def tracebot(arguments: list[str]) -> int:
    """Run a command line and return its exit code.

    0 is done, 1 failed or not found, 2 a command line that makes no sense.
    """
    typed = arguments
    if "#" in arguments and arguments[:1] != ["run"]:
        # zsh does not know comments where people type: an example pasted with its explanation.
        arguments = arguments[: arguments.index("#")]
    if arguments[:1] == ["help"] and len(arguments) == 2 and not arguments[1].startswith("-"):
        arguments = [arguments[1], "--help"]
    if arguments[:1] == ["run"]:
        # Before anything else is imported: the command to record should not wait for us.
        from bot.cli.commands.run import main as run

        return run(arguments[1:])

    from bot.cli.streams import OutputError, discard_output
    from bot.cli.terminal import guard_warnings

    guard_warnings()
    try:
        code = _run(arguments, typed)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # `tracebot ls | head`
        discard_output()
        return DONE
    except OutputError as error:
        discard_output()
        return _refuse(str(error), [], code=FAILED)
    except KeyboardInterrupt as interrupt:
        code = getattr(interrupt, "exit_code", INTERRUPTED)  # That of a signal, see `Interrupted`.
        return int(code)


def _run(arguments: list[str], typed: list[str]) -> int:
    """Run a command line, and return its code. Say of mistakes and failures what to do.

    *typed* is the command line in which a mistake is pointed at.
    """
    from bot.cli.streams import OutputError
    from bot.errors import ConfigurationError
    from reports.errors import CommandFailed, UsageError
    from storage.errors import StorageError

    try:
        return _dispatch(arguments)
    except UsageError as error:
        code = FAILED if isinstance(error, CommandFailed) else USAGE
        return _refuse(str(error), typed, code=code, word=error.word)
    except (StorageError, ConfigurationError) as error:
        return _refuse(str(error), typed, code=FAILED)
    except (BrokenPipeError, OutputError):
        raise
    except UnicodeEncodeError:
        if all(word.isprintable() for word in typed):
            raise
        return _refuse(NOT_TEXT, typed, code=USAGE)
    except Exception as error:
        explanation = _explained(error)
        if not explanation:
            raise
        return _refuse(explanation, typed, code=FAILED)


def _explained(error: Exception) -> str:
    """Say what caused an error that no command expects; nothing if it is a fault of ours."""
    from storage.database.error_causes import KNOWN, LOCKED, cause_of

    cause = cause_of(error)
    if cause in KNOWN:
        advice = "run tracebot health, which shows more and replaces a damaged database"
        if cause == LOCKED:
            advice = "another process has written to it all the time: try again in a moment"
        return f"The database failed ({cause}): {advice}."
    try:
        os.getcwd()
    except FileNotFoundError:
        return NOWHERE
    if isinstance(error, PermissionError) and error.filename:
        advice = "run this as its owner, or make this user its owner"
        return f"{error.filename} cannot be used by this user ({error.strerror}): {advice}."
    return ""


def _refuse(message: str, arguments: list[str], *, code: int, word: str = "") -> int:
    from storage.model.redaction import redact

    # It quotes what was typed or set: a URL, or a token in the wrong line of a file.
    message = redact(message)
    if "--json" in arguments:
        from reports.render.json_output import error

        print(error(message))  # noqa: T201
    else:
        from bot.cli.terminal import pointed_out
        from reports.formatting import visible

        sys.stderr.write(f"tracebot: {visible(message)}\n{pointed_out(arguments, word)}")
    return code


def _dispatch(arguments: list[str]) -> int:
    from bot.cli.parser import parser_for
    from reports.commands.parser import parse

    parser = parser_for(arguments)
    try:
        args = parse(parser, arguments)
    except SystemExit:  # argparse has printed the help.
        return DONE
    if args.version:
        from importlib.metadata import version

        print(f"tracebot {version('tracebot')}")  # noqa: T201
        return DONE
    from bot.cli.handlers import HANDLERS
    from bot.cli.shared_commands import read

    return HANDLERS.get(args.command, read)(args)
