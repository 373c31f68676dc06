"""Count the files that a request enters on its way: `python -m tests.support.journeys [--files]`.

A newcomer has to read about as many files as a journey enters. Counted are the distinct files of
`bot/` (without the sandbox), `reports/` and `storage/` in which a function is called, the first
time that the journey is made in a process: without those that only the writer's thread enters, and
with them. Threads that look around by the clock do so at any time, and do not count.

mention   an app_mention, until the echo agent's reply is posted and its question is marked ✅
stats     `/trace stats`, until its answer is posted
otlp      a request with one span to the receiver, until the span is committed
"""

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import httpx

from bot.agents.config.roster import load_roster
from bot.http.otlp_receiver import Collector
from bot.sandbox import Channel, Sandbox, User
from storage import Observability
from tests.support.paths import MANIFEST, ROOT
from tests.support.running_bot import start_in

PACKAGES = tuple(f"{ROOT / name}/" for name in ("bot", "reports", "storage"))
SANDBOX = f"{ROOT / 'bot' / 'sandbox'}/"
WRITER = "tracebot-writer"
BY_THE_CLOCK = ("tracebot-notices", "tracebot-socket")
"""Threads that would enter the same files if nothing was asked."""


@dataclass(slots=True)
class Journey:
    """Paths relative to the project's root, by whether the writer's thread entered them."""

    caller: set[str] = field(default_factory=set)
    writer: set[str] = field(default_factory=set)
    answered: bool = False


class Profiler:
    """Collects the project files that the threads started after it enter."""

    def __init__(self) -> None:
        self._entered: Journey | None = None
        # Python 3.11 cannot profile a thread that already runs, so each thread gets the profile
        # function when it starts and reports only while something is being counted.
        threading.setprofile(self._profile)
        sys.setprofile(self._profile)

    def _profile(self, frame: FrameType, event: str, _: object) -> None:
        entered, path = self._entered, frame.f_code.co_filename
        if (
            entered is not None
            and event == "call"
            and path.startswith(PACKAGES)
            and not path.startswith(SANDBOX)
            and frame.f_code.co_name != "<module>"
        ):
            thread = threading.current_thread().name
            if thread == WRITER:
                entered.writer.add(path.removeprefix(f"{ROOT}/"))
            elif not entered.answered and thread not in BY_THE_CLOCK:
                entered.caller.add(path.removeprefix(f"{ROOT}/"))

    def count(self, play: Callable[[], object]) -> Journey:
        self._entered = entered = Journey()
        play()
        entered.answered = True
        time.sleep(0.5)  # Until the writer has stored it: flush() would enter more files.
        self._entered = None
        return entered


def otlp_request() -> dict[str, Any]:
    now = time.time_ns()
    span = {
        "traceId": f"{now:032x}",
        "spanId": f"{now:016x}",
        "name": "order",
        "startTimeUnixNano": str(now),
        "endTimeUnixNano": str(now + 5),
    }
    return {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}


def mention(sandbox: Sandbox, alice: User, general: Channel) -> None:
    question = sandbox.post(alice, general, f"{sandbox.mention} what is new?")
    sandbox.wait_for_reply(general, question.ts, containing="what is new?")
    sandbox.wait_for_reaction(general, question.ts, "white_check_mark")


def count(profiler: Profiler, folder: Path) -> dict[str, Journey]:
    """Play each journey once and return the files that it entered."""
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox.start(MANIFEST))
        alice = sandbox.add_user("alice")
        general = sandbox.add_channel("general", [alice])
        observability = stack.enter_context(
            Observability.open(folder / "tracebot.db", platform="slack")
        )
        bot = start_in(sandbox, observability, load_roster(None))
        stack.callback(bot.stop, grace=5.0)
        collector = Collector(observability, capture=lambda text: text)
        stack.callback(collector.stop)
        url = collector.listen()
        sandbox.wait_for_app()
        journeys: dict[str, Callable[[], object]] = {
            "mention": lambda: mention(sandbox, alice, general),
            "stats": lambda: sandbox.command(alice, general, "/trace", "stats"),
            "otlp": lambda: httpx.post(f"{url}/v1/traces", json=otlp_request()).raise_for_status(),
        }
        return {name: profiler.count(play) for name, play in journeys.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0] + ".")
    parser.add_argument("--files", action="store_true", help="also print the names of the files")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        journeys = count(Profiler(), Path(folder))
    for name, entered in journeys.items():
        total = len(entered.caller | entered.writer)
        sys.stdout.write(f"{name:8} {len(entered.caller):3}   with the writer {total:3}\n")
        for path in sorted(entered.caller | entered.writer) if args.files else ():
            only = "" if path in entered.caller else "   (only the writer)"
            sys.stdout.write(f"    {path}{only}\n")


if __name__ == "__main__":
    main()
