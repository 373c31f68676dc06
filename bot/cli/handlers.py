"""Run the commands that only a shell has.

Imports are inside of functions, so that a command waits only for what it needs.
"""

import gc
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from bot.cli.exit_codes import DONE
from bot.cli.named_database import located, open_existing
from bot.cli.shared_commands import alerts, budget, cancel, forget

if TYPE_CHECKING:
    from argparse import Namespace


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
    if not stay.keep:
        gc.disable()  # It ends before cycles take up memory, and a search takes 15 ms.
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


def _maintain(args: "Namespace") -> int:
    from bot.cli.commands.database import MAINTENANCE

    # The database that a backup replaces may be damaged or missing: it is not opened.
    database = located(args) if args.command == "restore" else open_existing(args)
    try:
        return MAINTENANCE[args.command](args, database)
    finally:
        database.close()


def _move(args: "Namespace") -> int:
    from bot.cli.commands.move import move_database

    return move_database(args)


HANDLERS: Mapping[str, Callable[["Namespace"], int]] = {
    "help": _help,
    "init": _init,
    "serve": _serve,
    "collect": _collect,
    "demo": _demo,
    "agents": _agents,
    "rehearse": _rehearse,
    "import": _import,
    "query": _query,
    "cancel": cancel,
    "alerts": alerts,
    "forget": forget,
    "budget": budget,
    "doctor": _doctor,
    "move": _move,
    "completion": _completion,
    **dict.fromkeys(("checkpoint", "clean", "backup", "restore"), _maintain),
}
"""The commands that only a shell has, or that change something in it."""
