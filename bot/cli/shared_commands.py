"""Run in a shell the commands that Slack has, too.

Imports are inside of functions, so that a command waits only for what it needs.
"""

import os
import sys
from typing import TYPE_CHECKING

from bot.cli.exit_codes import DONE, FAILED
from bot.cli.named_database import located, open_existing

if TYPE_CHECKING:
    from argparse import Namespace

    from reports.views.views import View
    from storage.database.base import Database
    from storage.model.filters import Filters


def read(args: "Namespace") -> int:
    """Run a command that Slack has, too."""
    import time
    from contextlib import closing

    from bot.cli.output import check_output
    from reports.commands.handlers import Viewer, answer
    from storage.database.read_only import reading

    check_output(args)
    found = located(args)
    if args.command == "health" and not args.quick:
        from bot.cli.commands.database import look_through

        look_through(found)
    changes = args.command == "errors" and args.change
    viewer = Viewer(time_zone=getattr(args, "zone", "UTC"))
    if getattr(args, "follow", False):
        from bot.cli.follow import follow

        return follow(args, found)
    if getattr(args, "watch", False):
        from bot.cli.follow import watch

        return watch(args, found, viewer)
    with closing(open_existing(args)) if changes else reading(found) as database:
        view = answer(args, database=database, viewer=viewer, now=time.time_ns())
        if hasattr(args, "filters"):
            _tell_unrecorded(database, args.filters)
    if args.command == "digest" and args.html:
        from bot.cli.html_page import write_page

        write_page(view, args.html)
        return DONE
    return _shown(view, args)


def _tell_unrecorded(database: "Database", filters: "Filters") -> None:
    """Tell on stderr which names of the filters nothing is recorded for."""
    import time

    from reports.commands.unrecorded import unrecorded
    from reports.formatting import visible

    for sentence in unrecorded(database, filters, now=time.time_ns()):
        sys.stderr.write(f"tracebot: {visible(sentence)}\n")


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


def cancel(args: "Namespace") -> int:
    from bot.turns.cancel import cancel_from_shell

    database = open_existing(args)
    try:
        view = cancel_from_shell(database, args.id)
    finally:
        database.close()
    return _shown(view, args)


def alerts(args: "Namespace") -> int:
    """List the alerts, or change one: what is to be posted the bot posts within a minute."""
    if not args.order:
        return read(args)
    import time

    from bot.trace_ui.alert_orders import Orderer, obey

    database = open_existing(args)
    try:
        view = obey(database, args.order, Orderer(user=_user_name()), now=time.time_ns())
    finally:
        database.close()
    return _shown(view, args)


def _user_name() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # A container may run as a user whom it does not know.
        return f"user {os.getuid()}"


def budget(args: "Namespace") -> int:
    if not args.order:
        return read(args)
    from bot.cli.commands.budget import order_budget

    database = open_existing(args)
    try:
        view = order_budget(args.order, database)
    finally:
        database.close()
    return _shown(view, args)


def forget(args: "Namespace") -> int:
    from bot.cli.commands.forget import forget_user
    from storage.model.filters import Filters

    database = open_existing(args)
    try:
        _tell_unrecorded(database, Filters(user=args.user))
        view = forget_user(args, database)
    finally:
        database.close()
    return _shown(view, args)
