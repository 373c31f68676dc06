"""A bot is killed between two steps of a turn: another one answers, or tells the thread, once."""

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox import Sandbox
from bot.sandbox.state.values import Json
from storage.recovery.opening import open_database
from tests.support.bots_beside import PATIENCE_S, BotsBeside, until
from tests.support.paths import MANIFEST
from tests.support.workspace.rounds import QUICK_RETRIES

STEPS = {
    "accepted, not acknowledged": ("after", "bot.concurrency.lanes.accept_message"),
    "not accepted": ("before", "bot.concurrency.lanes.accept_message"),
    "acknowledged, not begun": ("before", "bot.turns.turn:TurnHandler.run"),
    "begun, no agent asked": ("before", "bot.replies.responder:Responder.begin"),
    "noted that an agent is asked": ("after", "bot.replies.reply_rows.put_reply"),
    "the agent has answered": ("before", "bot.replies.responder:Responder._post"),
    "posted, and not ended": ("before", "bot.concurrency.lanes.end_message"),
    "posted, and not noted": ("after", "bot.replies.delivery:ReplyDelivery.post"),
    "the follow-up begins": ("after", "bot.concurrency.lanes.begin_message"),
}
"""Where the first bot that comes there is killed."""

TAKING_OVER = {
    "taken over, not read": ("after", "bot.concurrency.other_processes.take_over"),
    "told, not noted": ("after", "bot.replies.repair:ReplyRepair._deliver"),
}
"""Where the bot is killed that takes over from one that was killed in the middle of a turn."""


class InTurn:
    """Send one event to a process in Socket Mode, and the next by HTTP."""

    late = "timeout"

    def __init__(self, *transports: Any) -> None:
        self._transports = cycle(transports)

    async def deliver(self, *args: Any, **options: Any) -> Json | None:
        delivered: Json | None = await next(self._transports).deliver(*args, **options)
        return delivered


@pytest.fixture
def office(any_url: str, tmp_path: Path) -> Iterator[BotsBeside]:
    open_database(any_url).close()
    with Sandbox.start(MANIFEST) as sandbox:
        sandbox.retry_waits = QUICK_RETRIES
        found = BotsBeside(tmp_path, sandbox, any_url)
        try:
            yield found
        finally:
            found.close()


def start(office: BotsBeside, dies: tuple[str, str]) -> None:
    """Start three bots, of which the last has HTTP; events come by both ways."""
    office.start(dies=dies)
    office.start(dies=dies)
    sockets = office.sandbox._slack.outbox.transport
    office.start_http(dies=dies)
    office.sandbox._slack.outbox.transport = InTurn(sockets, office.sandbox._slack.outbox.transport)


def dead(office: BotsBeside) -> int:
    return sum(bot.poll() is not None for bot in office.bots)


@pytest.mark.parametrize("step", STEPS)
def test_a_turn_is_answered_once_or_its_thread_told(office: BotsBeside, step: str) -> None:
    start(office, STEPS[step])
    question = office.ask("one")
    until(lambda: office.asked("one") > 0 or dead(office) > 0)
    follow_up = office.ask("two", thread_ts=question.ts)
    office.sandbox.wait_for_reaction(
        office.channel, follow_up.ts, "white_check_mark", timeout=PATIENCE_S
    )
    until(lambda: dead(office) == 1)
    until(lambda: office.rows() == (0, 0))
    first, second = office.answers(question)
    assert first == "answer to one" or "I was restarted" in first, first
    assert second == "answer to two"
    marks = office.sandbox.reactions(office.channel, question.ts).keys()
    assert marks <= {"white_check_mark", "octagonal_sign"}
    assert len(marks) == 1


@pytest.mark.parametrize("step", TAKING_OVER)
def test_who_takes_over_is_killed_in_the_middle(office: BotsBeside, step: str) -> None:
    start(office, TAKING_OVER[step])
    question = office.ask("hold")
    until(lambda: bool(office.asked("hold")))
    follow_up = office.ask("two", thread_ts=question.ts)
    until(lambda: office.rows()[0] == 2)
    office.holder().kill()
    office.sandbox.wait_for_reaction(
        office.channel, follow_up.ts, "white_check_mark", timeout=PATIENCE_S
    )
    until(lambda: dead(office) == 2)
    until(lambda: office.rows() == (0, 0))
    told, answer = office.answers(question)
    assert "I was restarted" in told
    assert answer == "answer to two"
    assert office.asked("two") == 1
