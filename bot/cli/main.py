"""`tracebot`: the commands of `/trace`, and those that only a shell has.

Imports are inside of functions, so that a command waits only for what it needs.
"""

import gc
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn

from bot.cli.exit_codes import DONE, FAILED, INTERRUPTED, USAGE

if TYPE_CHECKING:
    from argparse import Namespace

    from reports.views.views import View
    from storage.database.shared_file import SharedDatabase

YOUNG_OBJECTS = 50_000
"""How many new objects the garbage collector waits for.

Python's 700 let it look through everything dozens of times while a command is imported, and many
times through each request that is received, for cycles that are not there.
"""

WITH_THREADS = (["serve"], ["collect"], ["demo"], ["query"])
"""Commands whose threads have connections to the database. Python's last search closes those, and
the last one to close empties SQLite's log."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    gc.set_threshold(YOUNG_OBJECTS)
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given[:1] in (["serve"], ["query"]):
        # Here and not in the commands: a process that calls `tracebot` has children of its own.
        from bot.cli.own_process import protect_own_process

        protect_own_process()
    if given[:1] != ["run"]:  # Its command gets the streams as they are.
        from bot.cli.streams import prepare_streams

        prepare_streams(given)
    code = tracebot(given)
    if given[:1] not in WITH_THREADS:
        gc.freeze()  # Else Python searches all that was imported for cycles, which takes 20 ms.
    sys.exit(code)


def tracebot(arguments: list[str]) -> int:
    """Run a command line and return its exit code.

    0 is done, 1 failed or not found, 2 a command line that makes no sense.
    """
    typed = arguments
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
    except KeyboardInterrupt:
        return INTERRUPTED


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
    except Exception as error:
        from storage.database.error_causes import CAUSES, cause_of

        cause = cause_of(error)
        if cause not in CAUSES.values():
            raise
        advice = "run tracebot health, which shows more and replaces a damaged database"
        return _refuse(f"The database failed ({cause}): {advice}.", typed, code=FAILED)


def _refuse(message: str, arguments: list[str], *, code: int, word: str = "") -> int:
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
    if args.command == "help":
        return _help(args)
    return SHELL_ONLY.get(args.command, _read)(args)


def _help(args: "Namespace") -> int:
    from bot.cli.parser import shell_parser

    parser, _ = shell_parser()
    if getattr(args, "man", False):
        from bot.cli.man_page import man_page

        sys.stdout.write(man_page(parser))
    else:
        parser.print_help()
    return DONE


def _completion(args: "Namespace") -> int:
    from bot.cli.completion import script
    from bot.cli.parser import shell_parser

    sys.stdout.write(script(args.shell, shell_parser()[0]))
    return DONE


def _open(args: "Namespace") -> "SharedDatabase":
    """Open a database that exists, to write to it."""
    from storage.recovery.opening import prepare_existing

    database = _locate(args)
    prepare_existing(database)
    return database


def _locate(args: "Namespace", environ: Mapping[str, str] = os.environ) -> "SharedDatabase":
    from storage.database.connect import BUSY_TIMEOUT_MS, locate

    url, busy_timeout_ms = environ.get("TRACEBOT_DATABASE_URL", ""), BUSY_TIMEOUT_MS
    if os.path.exists(".env") or "TRACEBOT_BUSY_TIMEOUT_MS" in environ:
        # Only then: loading all settings takes longer than most commands.
        from bot.settings import load_settings

        settings = load_settings()
        url, busy_timeout_ms = settings.database_url, settings.busy_timeout_ms
    return locate(args.database or url, busy_timeout_ms=busy_timeout_ms)


def _read(args: "Namespace") -> int:
    """Run a command that Slack has, too."""
    import time
    from contextlib import closing

    from bot.cli.output import check_output
    from reports.commands.handlers import Viewer, answer
    from storage.database.read_only import reading

    check_output(args)
    located = _locate(args)
    if args.command == "health" and not args.quick:
        from bot.cli.commands.database import look_through

        look_through(located)
    changes = args.command == "errors" and args.change
    viewer = Viewer(time_zone=getattr(args, "zone", "UTC"))
    if getattr(args, "follow", False):
        from bot.cli.follow import follow

        return follow(args, located)
    if getattr(args, "watch", False):
        from bot.cli.follow import watch

        return watch(args, located, viewer)
    with closing(_open(args)) if changes else reading(located) as database:
        view = answer(args, database=database, viewer=viewer, now=time.time_ns())
    if args.command == "digest" and args.html:
        from bot.cli.html_page import write_page

        write_page(view, args.html)
        return DONE
    return _shown(view, args)


def _shown(view: "View", args: "Namespace") -> int:
    """Print a view, and return the exit code: 1 if nothing was found, or not all is well."""
    from bot.cli.output import show
    from reports.views.messages import MessageView

    show(view, args)
    if isinstance(view, MessageView):
        return DONE if view.found else FAILED
    if args.command == "health":
        from reports.views.health import HealthView

        return FAILED if isinstance(view, HealthView) and not view.ok else DONE
    return DONE


def _init(args: "Namespace") -> int:
    from bot.cli.commands.init import init

    return init(args)


def _serve(args: "Namespace") -> int:
    from bot.settings import load_settings, misspelt_names, require

    hints = misspelt_names()
    settings = load_settings()
    require(settings, http=args.http)
    # Only now: who has forgotten a token should not wait for all that a bot imports.
    from bot.cli.commands.serve import serve

    return serve(settings, hints, http=args.http)


def _collect(args: "Namespace") -> int:
    from bot.settings import load_settings

    settings = load_settings()
    from bot.cli.commands.collect import collect

    return collect(settings, host=args.host, port=args.port, database=args.database)


def _demo(args: "Namespace") -> int:
    from bot.cli.demo_workspace import Stay

    stay = Stay(keep=args.keep or args.open, open=args.open, port=args.port)
    if args.fortnight:
        from bot.cli.fortnight.command import play_fortnight

        return play_fortnight(stay)
    from bot.cli.demo.command import demo

    return demo(stay)


def _agents(args: "Namespace") -> int:
    from bot.cli.commands.agents import show_agents

    return show_agents(database=args.database or "", as_json=args.json)


def _rehearse(args: "Namespace") -> int:
    from bot.cli.commands.rehearse import rehearse

    return rehearse(args)


def _import(args: "Namespace") -> int:
    from bot.cli.commands.agents import import_agents

    return import_agents(path=args.file, output=args.output)


def _doctor(args: "Namespace") -> int:
    from bot.cli.commands.doctor import doctor

    return doctor(database=args.database, as_json=args.json)


def _query(args: "Namespace") -> int:
    from bot.cli.commands.query import QueryOptions, run_query

    return run_query(
        QueryOptions(
            texts=args.texts,
            mode=args.mode,
            timeout_s=args.timeout,
            as_json=args.json,
            database=args.database,
        )
    )


def _cancel(args: "Namespace") -> int:
    from bot.turns.cancel import cancel_from_shell

    database = _open(args)
    try:
        view = cancel_from_shell(database, args.id)
    finally:
        database.close()
    return _shown(view, args)


def _alerts(args: "Namespace") -> int:
    """List the alerts, or change one: what is to be posted the bot posts within a minute."""
    if not args.order:
        return _read(args)
    import getpass
    import time

    from bot.trace_ui.alert_orders import Orderer, obey

    database = _open(args)
    try:
        view = obey(database, args.order, Orderer(user=getpass.getuser()), now=time.time_ns())
    finally:
        database.close()
    return _shown(view, args)


def _forget(args: "Namespace") -> int:
    from bot.cli.commands.forget import forget_user

    database = _open(args)
    try:
        view = forget_user(args, database)
    finally:
        database.close()
    return _shown(view, args)


def _budget(args: "Namespace") -> int:
    if not args.order:
        return _read(args)
    from bot.cli.commands.budget import order_budget

    database = _open(args)
    try:
        view = order_budget(args.order, database)
    finally:
        database.close()
    return _shown(view, args)


def _maintain(args: "Namespace") -> int:
    from bot.cli.commands.database import MAINTENANCE

    # The database that a backup replaces may be damaged or missing: it is not opened.
    database = _locate(args) if args.command == "restore" else _open(args)
    try:
        return MAINTENANCE[args.command](args, database)
    finally:
        database.close()


SHELL_ONLY: Mapping[str, Callable[["Namespace"], int]] = {
    "init": _init,
    "serve": _serve,
    "collect": _collect,
    "demo": _demo,
    "agents": _agents,
    "rehearse": _rehearse,
    "import": _import,
    "query": _query,
    "cancel": _cancel,
    "alerts": _alerts,
    "forget": _forget,
    "budget": _budget,
    "doctor": _doctor,
    "completion": _completion,
    **dict.fromkeys(("checkpoint", "clean", "backup", "restore"), _maintain),
}
