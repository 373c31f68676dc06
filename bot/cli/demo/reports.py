"""Show what can be asked about the recorded week, and what to try next."""

import time

from bot.cli.demo.conversation import Played
from bot.cli.demo.screen import Screen
from bot.cli.demo_workspace import own_command
from bot.sandbox import Message
from reports.commands.handlers import Viewer, answer
from reports.commands.parser import build_parser, parse
from reports.render.terminal import render
from storage import Observability
from storage.database.models import TraceRow
from storage.model.trace_context import short_id

LINES = 7
"""How many lines of each answer are shown."""


def show_reports(screen: Screen, observability: Observability, played: Played) -> None:
    """Print some commands with their answers, and others to try."""
    database = observability.database
    answered = _trace_id(observability, played.answered)
    left_alone = _trace_id(observability, played.left_alone)
    screen.heading("All of it is recorded. Ask about it in Slack (/trace ls) or here:")
    parser, _ = build_parser(prog="tracebot", shell=True)
    for command in (
        "ls --limit 3",
        f"thread {played.thread.channel} {played.thread.ts}",
        "stats --by agent",
        "errors",
        "digest",
    ):
        screen.heading(f"$ tracebot {command}")
        view = answer(
            parse(parser, command.split()), database=database, viewer=Viewer(), now=time.time_ns()
        )
        screen.answer(render(view, width=screen.width, colour=True), lines=LINES)
    screen.heading("Try next:")
    tracebot = own_command()
    screen.commands(
        {
            f"export TRACEBOT_DATABASE_URL={database.path}": "",
            f"{tracebot} show {answered}": "that answer, step by step",
            f"{tracebot} why {left_alone}": "why a message was left alone",
            f"{tracebot} stats --by day": "the week as a chart",
            f"{tracebot} run -- sleep 1": "record a command of your own",
            f"{tracebot} demo --keep --open": "play it again, and open its page",
            f"{tracebot} init": "connect your own workspace",
        }
    )
    screen.say()


def _trace_id(observability: Observability, message: Message) -> str:
    """Return the short id of the trace of a message, as `ls` shows it."""
    query = TraceRow.select(TraceRow.trace_id).where(TraceRow.message_ts == message.ts)
    return short_id(query.get(observability.database).trace_id)
