"""`tracebot demo --fortnight`: play the fortnight, and say what can be asked about it."""

import tempfile
import time
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from rich.console import Console

from bot.cli.demo_workspace import Stay, demo_console, keep_open, own_command, plain
from bot.cli.exit_codes import DONE
from bot.cli.fortnight.clock import SECOND_NS
from bot.cli.fortnight.plot import fortnight
from bot.cli.fortnight.stage import Stage
from bot.cli.fortnight.story import DAY, Event, Question, Talk
from storage import Observability

TRY_NEXT = (
    ("stats --by agent --compare --since 7d", "compare the agents with the week before"),
    ("stats --by day --since 14d", "see the fortnight as a chart"),
    ("cost --since 14d", "see what the models cost"),
    ("errors --since 14d", "see what failed, and since when"),
    ("slow --since 14d", "see what took longest"),
    ("ls feedback:down since:14d", "see what people did not like"),
    ("alerts", "see the alert that fired and has ended"),
    ("budget", "see the budget that warned"),
    ("show", "see the newest trace, step by step"),
)


def play_fortnight(stay: Stay) -> int:
    """Play it up to this moment, and keep the workspace open if *stay* says so."""
    began = time.monotonic()
    console = demo_console()
    folder = Path(tempfile.mkdtemp(prefix="tracebot-fortnight-"))
    story = fortnight(datetime.now(UTC))
    with ExitStack() as stack:
        sandbox = stack.enter_context(stay.start())
        database = folder / "tracebot.db"
        observability = stack.enter_context(Observability.open(database, platform="slack"))
        stage = Stage(story, sandbox, observability, folder)
        stack.callback(stage.stop)
        console.print("[bold]A fortnight of a team with the real bot, on this machine[/]\n")
        for day, events in groupby(stage.play(), lambda event: int(event.at // DAY)):
            _show_day(console, stage, story.begins_at, day, events)
        _say_what_next(console, database, took=time.monotonic() - began)
        if stay.keep:
            stage.bot.scheduler.start()
            keep_open(sandbox, stay)
    return DONE


def _show_day(
    console: Console, stage: Stage, begins_at: int, day: int, events: Iterable[Event]
) -> None:
    """Print how much happened on a day of the story, and what the bot said unasked."""
    asked, failed, left_alone, said = 0, 0, 0, []
    for event in events:
        if isinstance(event, Question):
            asked += 1
            failed += event.attempts[-1].ending != "answer"
        left_alone += isinstance(event, Talk)
        said += stage.said_unasked()
    date = datetime.fromtimestamp(begins_at / SECOND_NS + (day + 1) * DAY, UTC)
    console.print(
        f"  {date:%a %d %b}  {asked:2} questions, {failed} failed; {left_alone} messages left alone"
    )
    for channel, text in said:
        console.print(f"              [dim]#{channel}  {plain(text)}[/]")


def _say_what_next(console: Console, database: Path, *, took: float) -> None:
    console.print(f"\nThat took {took:.1f} s. Everything is recorded in {database}. Try next:\n")
    console.print(f"  export TRACEBOT_DATABASE_URL={database}")
    tracebot = own_command()
    for command, why in TRY_NEXT:
        console.print(f"  {tracebot} {command:<40} # {why}")
    console.print(
        f"  {tracebot} {'demo --fortnight --keep':<40} # play it again, with its web page\n"
    )
