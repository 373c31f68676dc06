"""`tracebot demo`: play a conversation beside a recorded week, and show reports."""

import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.app import build_bot
from bot.cli.demo.agents import WATCHED, write_agents
from bot.cli.demo.conversation import Conversation
from bot.cli.demo_workspace import Stay, keep_open
from bot.cli.exit_codes import DONE
from bot.cli.fortnight.plot import fortnight
from bot.cli.fortnight.stage import move_in
from bot.lifecycle import connect
from bot.sandbox import Sandbox
from bot.settings import DefaultSettings, load_settings
from storage import Observability

WEEK = 7
BEFORE = timedelta(minutes=10)
"""How many days are recorded, and how long ago they end."""

BRISK, AT_EASE = 0.3, 3.0
"""How many times longer the agents pause while the conversation is printed, where nobody sees them
write, and in a workspace that stays open."""


def demo(stay: Stay) -> int:
    """Play a conversation, show reports, and keep the workspace open if *stay* says so."""
    began = time.monotonic()
    story = fortnight(datetime.now(UTC) - BEFORE, days=WEEK)
    with ExitStack() as stack:
        sandbox = stack.enter_context(stay.start())
        folder = Path(tempfile.mkdtemp(prefix="tracebot-demo-"))
        people, channels = move_in(story, sandbox)
        database = folder / "tracebot.db"
        observability = stack.enter_context(Observability.open(database, platform="slack"))
        _start_bot(stack, sandbox, observability, folder)
        watched = folder / "agents" / WATCHED
        conversation = Conversation(sandbox, people, channels, observability, watched)
        conversation.begin()
        # Only now, as the agents are working: questions do not wait for what only reports need.
        from bot.cli.demo.reports import show_reports
        from bot.cli.demo.screen import Screen
        from bot.cli.demo.week import WeekRecorder

        screen = Screen()
        screen.say("A Slack workspace on this machine, with the real bot in it.", style="bold")
        WeekRecorder(story, sandbox, people, channels, observability).record()
        show_reports(screen, observability, conversation.play(screen))
        screen.say(f"That took {time.monotonic() - began:.1f} s.")
        if stay.keep:
            write_agents(folder / "agents", pause=AT_EASE)
            keep_open(sandbox, stay)
    return DONE


def _start_bot(
    stack: ExitStack, sandbox: Sandbox, observability: Observability, folder: Path
) -> None:
    settings = load_settings(
        DefaultSettings,
        SLACK_BOT_TOKEN=sandbox.bot_token,
        SLACK_APP_TOKEN=sandbox.app_token,
        SLACK_API_URL=sandbox.api_url,
        database_url=str(observability.database.path),
    )
    roster = write_agents(folder / "agents", pause=BRISK)
    bot = build_bot(settings, roster=roster, observability=observability)
    stack.callback(bot.stop, grace=0)
    connect(bot, settings)
    bot.scheduler.start()
    sandbox.wait_for_app()
