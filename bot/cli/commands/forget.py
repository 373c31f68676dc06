"""`tracebot forget`: erase what a person wrote, by order of whoever runs the bot."""

import sys
import time
from argparse import Namespace

from bot.turns.eraser import forget
from reports.errors import UsageError
from reports.views.erasure import forget_question, forgotten
from reports.views.messages import MessageView
from storage import Observability
from storage.database.base import Database
from storage.model.erasure import Erasure
from storage.upkeep.erasure import plan


def forget_user(args: Namespace, database: Database) -> MessageView:
    """Ask on the terminal, unless `--yes` says not to, and erase. Raises `UsageError`."""
    if not args.user:
        raise UsageError("Say whose text to erase: --user ID, with their member ID in Slack.")
    erasure = Erasure(at=time.time_ns(), by="shell", team=args.team, user=args.user)
    if not args.yes and not _confirmed(
        forget_question(plan(database, erasure), user=args.user, own=False).text
    ):
        return MessageView(text="Nothing was erased.")
    with Observability(database, platform="cli") as observability:
        done = forget(observability, erasure)
    return forgotten(
        done.erased,
        user=args.user,
        spools=done.spools,
        log_emptied=done.log_emptied,
        set_aside=done.set_aside,
        backups=done.backups,
        litestream=done.litestream,
        named=True,
    )


def _confirmed(question: str) -> bool:
    if not sys.stdin.isatty():
        raise UsageError("forget asks before it erases, and there is no terminal: add --yes.")
    sys.stderr.write(f"{question}\nType yes to erase: ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() == "yes"
