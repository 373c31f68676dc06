"""One round in the scripted workspace, from one seed."""

import json
import random
import sys
import time
from pathlib import Path

from bot.sandbox import Sandbox
from tests.support.paths import MANIFEST
from tests.support.workspace.bot_process import BotProcess
from tests.support.workspace.faults import WorkspaceFaults, strike
from tests.support.workspace.findings import MOST_MEMORY_MB, Findings
from tests.support.workspace.people import People

SETTLING_S = 200.0
"""Longer than the bot tries to post an answer (120 s), and its repair that runs each minute."""

QUICK_RETRIES = (0.2, 2.0, 6.0)
"""Seconds before Slack's second, third and fourth attempt at an event, which take six minutes."""

PACE_S = 0.4
"""Seconds between two things that somebody does."""

FAULT_PACE_S = 1.2


def play(
    folder: Path,
    *,
    seed: int,
    seconds: float,
    http: bool,
    long_thread: int = 210,
    faults: bool = True,
) -> list[str]:
    """Let people work with the bot, and everything fail; return what is wrong in the end.

    Everything that is done follows from *seed*, but its timing does not.
    """
    generator = random.Random(seed)
    with Sandbox.start(MANIFEST) as sandbox:
        sandbox.retry_waits = QUICK_RETRIES
        bot = BotProcess(sandbox, folder, http=http)
        people = People(sandbox, random.Random(generator.random()))
        trouble = WorkspaceFaults(sandbox, bot, people, random.Random(generator.random()))
        findings = Findings(sandbox, bot, people)
        try:
            bot.start()
            # In HTTP mode, what was told before the request URL was known waits for a connection.
            never_sent = sandbox._slack.outbox._under_way if http else 0
            people.write_a_long_thread(long_thread)
            _work(people, trouble, bot, generator, seconds=seconds, http=http, faults=faults)
            trouble.end_all()
            wrong = _settled(findings, bot, sandbox, never_sent=never_sent)
            people.close()
            if (code := bot.stop()) != 0:
                wrong.append(f"the bot ended with exit code {code}")
            wrong += findings.after_the_end()
            if bot.memory_growth_mb > MOST_MEMORY_MB:
                wrong.append(f"the bot grew by {bot.memory_growth_mb} MB")
        finally:
            bot.close()
            people.close()
        done = {
            "seed": seed,
            "http": http,
            "seconds": seconds,
            "kills": len(bot.killed_at),
            "memory growth MB": bot.memory_growth_mb,
            "seen": dict(findings.seen),
            "people": dict(people.done),
            "faults": dict(trouble.struck),
            "wrong": len(wrong),
        }
        sys.stdout.write(json.dumps(done, indent=1) + "\n")
        return wrong


def _work(
    people: People,
    trouble: WorkspaceFaults,
    bot: BotProcess,
    generator: random.Random,
    *,
    seconds: float,
    http: bool,
    faults: bool,
) -> None:
    until = time.monotonic() + seconds
    next_fault = time.monotonic()
    while time.monotonic() < until:
        strike(people.actions(), generator, people.done)
        if faults and time.monotonic() >= next_fault:
            strike(trouble.actions(http=http), generator, trouble.struck)
            next_fault = time.monotonic() + generator.expovariate(1 / FAULT_PACE_S)
        trouble.run_due()
        bot.note_memory()
        time.sleep(min(generator.expovariate(1 / PACE_S), 2.0))


def _settled(
    findings: Findings, bot: BotProcess, sandbox: Sandbox, *, never_sent: int
) -> list[str]:
    """Wait until nothing looks as if the bot were at work, and return what still does.

    Also wait for the events that are on their way, which Slack may send again to the next process,
    and for the replies that are still to be posted: what Slack refuses is tried again each minute.
    """
    deadline = time.monotonic() + SETTLING_S
    while (
        (waiting := [*findings.stale(), *findings.unposted()])
        or sandbox._slack.outbox._under_way > never_sent
        or not _is_quiet(bot)
    ):
        if time.monotonic() > deadline:
            return waiting or ["agents still run, or events are on their way"]
        time.sleep(0.2)
    return []


def _is_quiet(bot: BotProcess) -> bool:
    """Return True if the bot has said nothing and no agent has answered for a second."""
    newest = max((p.stat().st_mtime for p in (bot.log, *bot.answers.iterdir())), default=0.0)
    return time.time() - newest > 1.0
