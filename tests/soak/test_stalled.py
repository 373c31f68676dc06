"""A bot stands still in the middle of a turn for longer than others wait for it, and goes on.

Another one takes the turn over meanwhile. However far it was, there is one answer or one note.
"""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.sandbox import Sandbox
from storage.recovery.opening import open_database
from tests.support.bots_beside import PATIENCE_S, BotsBeside, until
from tests.support.paths import MANIFEST


@pytest.fixture
def office(any_url: str, tmp_path: Path) -> Iterator[BotsBeside]:
    open_database(any_url).close()
    with Sandbox.start(MANIFEST) as sandbox:
        found = BotsBeside(tmp_path, sandbox, any_url)
        try:
            found.start()
            found.start()
            yield found
        finally:
            found.close()


@pytest.mark.parametrize("shown", [False, True], ids=["nothing shown", "a growing reply"])
def test_a_turn_that_was_taken_over_gets_no_second_answer(office: BotsBeside, shown: bool) -> None:
    question = office.ask("hold")
    until(lambda: bool(office.asked("hold")))
    if shown:
        until(lambda: bool(office.answers(question)))
    stalled = office.holder()
    office.stall(stalled)
    until(lambda: any("I was restarted" in each for each in office.answers(question)))
    (office.folder / "work" / "go").touch()
    stalled.send_signal(signal.SIGCONT)
    until(lambda: office.statuses(question) == ["abandoned"])
    follow_up = office.ask("more", thread_ts=question.ts)
    office.sandbox.wait_for_reaction(office.channel, follow_up.ts, "white_check_mark", timeout=60)
    told, answer = office.answers(question)
    assert "I was restarted" in told and "answer to hold" not in told
    assert answer == "answer to more"
    assert office.sandbox.reactions(office.channel, question.ts).keys() == {"octagonal_sign"}
    time.sleep(70)  # Until nobody looks for late messages any more.
    assert office.rows() == (0, 0)
    assert len(office.answers(question)) == 2
    assert stalled.poll() is None


def test_what_waits_in_a_process_that_stands_still_is_answered_by_another_one(
    office: BotsBeside,
) -> None:
    office.stall(office.bots[1])  # So that the first bot gets everything.
    question = office.ask("hold")
    until(lambda: bool(office.asked("hold")))
    follow_up = office.ask("more", thread_ts=question.ts)
    until(lambda: office.rows()[0] == 2)
    office.stall(office.bots[0])
    office.bots[1].send_signal(signal.SIGCONT)
    (office.folder / "work" / "go").touch()
    office.sandbox.wait_for_reaction(
        office.channel, follow_up.ts, "white_check_mark", timeout=PATIENCE_S
    )
    office.bots[0].send_signal(signal.SIGCONT)
    until(lambda: sorted(office.statuses(question)) == ["abandoned", "ok"])
    time.sleep(20)
    told, answer = office.answers(question)
    assert "I was restarted" in told
    assert answer == "answer to more"
