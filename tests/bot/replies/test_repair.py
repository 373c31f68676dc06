"""Replies that nobody ended: no "at work" and no Stop button remain, and no answer is lost."""

import random
import threading
import time

import pytest
from slack_sdk import WebClient

from bot.replies import delivery, live, repair
from bot.replies.messages import reply_messages
from bot.sandbox import Channel, Message, Sandbox, User
from storage import Observability
from tests.support.conversations import Ask, StartBot, ended, eventually, finished
from tests.support.fake_agent import Scripted, crashed, roster_of
from tests.support.replies import (
    all_ended,
    is_at_work,
    left_replies,
    refuse_all,
    session_of,
    tick,
    unfinished_reply,
)


@pytest.fixture(autouse=True)
def short_waits(quick_replies: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "LONGEST_WAIT_S", 0.1)


@pytest.fixture
def running(ask: Ask, agent: Scripted, sandbox: Sandbox, general: Channel) -> Ask:
    """Ask, and return the question once its reply is seen to grow."""

    def asked() -> Message:
        question = ask()
        agent.say("The first half")
        sandbox.wait_for_reply(general, question.ts, containing="The first half")
        return question

    return asked


def heal(sandbox: Sandbox) -> None:
    sandbox.faults.clear()


def test_a_reply_whose_end_is_refused_is_ended_when_slack_is_well_again(
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    running: Ask,
    general: Channel,
    observability: Observability,
) -> None:
    bot = start_bot(roster_of(agent))
    question = running()
    refuse_all(sandbox)
    agent.end("The first half and the second.")
    sandbox.wait_for_reaction(general, question.ts, "x")
    tick(bot)
    assert is_at_work(sandbox.thread(general, question.ts)[-1])
    heal(sandbox)
    tick(bot)
    (answer,) = ended(sandbox, general, question, "white_check_mark")
    assert answer.text == "The first half and the second."
    assert not is_at_work(answer)
    assert set(sandbox.reactions(general, question.ts)) == {"white_check_mark"}
    session = sandbox.session(general, question.ts)
    assert session is not None and session.status == "active"
    eventually(lambda: left_replies(observability) == [])


def test_a_turn_that_slack_stopped_keeps_one_mark_once_its_reply_is_ended(
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    running: Ask,
    general: Channel,
    observability: Observability,
) -> None:
    bot = start_bot(roster_of(agent))
    question = running()
    for method in ("chat.appendStream", "chat.update", "chat.stopStream", "chat.postMessage"):
        sandbox.faults.error(method, "not_in_channel", times=100)
    agent.say(" goes on")
    sandbox.wait_for_reaction(general, question.ts, "octagonal_sign")
    heal(sandbox)
    eventually(lambda: all_ended(observability, bot))
    assert not is_at_work(sandbox.thread(general, question.ts)[-1])
    assert set(sandbox.reactions(general, question.ts)) == {"octagonal_sign"}


@pytest.mark.parametrize("shown", [True, False], ids=["shown", "quick"])
def test_an_answer_that_slack_did_not_take_is_posted_once_by_the_next_process(
    shown: bool,
    monkeypatch: pytest.MonkeyPatch,
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    ask: Ask,
    general: Channel,
    observability: Observability,
    running: Ask,
) -> None:
    monkeypatch.setattr(live, "QUICK_S", 0.05 if shown else 30.0)
    bot = start_bot(roster_of(agent))
    question = (running if shown else ask)()
    refuse_all(sandbox)
    agent.end("The whole answer.")
    sandbox.wait_for_reaction(general, question.ts, "x")
    bot.unfinished.close()
    heal(sandbox)
    others = [start_bot(roster_of(Scripted())), start_bot(roster_of(Scripted()))]
    ticks = [threading.Thread(target=tick, args=(each,)) for each in others]
    for each in ticks:
        each.start()
    for each in ticks:
        each.join()
    (answer,) = ended(sandbox, general, question, "white_check_mark")
    assert (answer.text, is_at_work(answer)) == ("The whole answer.", False)
    eventually(lambda: all_ended(observability, *others))


def test_two_repairs_of_one_process_post_an_answer_once(
    monkeypatch: pytest.MonkeyPatch,
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    ask: Ask,
    general: Channel,
) -> None:
    monkeypatch.setattr(live, "QUICK_S", 30.0)
    bot = start_bot(roster_of(agent))
    question = ask()
    refuse_all(sandbox)
    agent.end("whole")
    sandbox.wait_for_reaction(general, question.ts, "x")
    eventually(lambda: bot.unfinished.abandoned() != [])
    heal(sandbox)
    go = sandbox.faults.hold("chat.postMessage", times=1)
    known = len(sandbox.calls("conversations.replies"))
    first, second = (threading.Thread(target=tick, args=(bot,)) for _ in range(2))
    first.start()  # It looks for the answer, and posts it slowly.
    sandbox.wait_until(lambda: len(sandbox.calls("conversations.replies")) > known)
    second.start()
    second.join(0.5)  # It would post the answer in this time.
    go.set()
    first.join()
    second.join()
    (answer,) = ended(sandbox, general, question, "white_check_mark")
    assert answer.text == "whole"


@pytest.mark.parametrize("shown", [True, False], ids=["shown", "quick"])
def test_the_end_of_an_earlier_reply_leaves_the_session_to_the_agent_that_works(
    shown: bool,
    monkeypatch: pytest.MonkeyPatch,
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    alice: User,
    running: Ask,
    general: Channel,
    observability: Observability,
) -> None:
    bot = start_bot(roster_of(agent))
    question = running()
    refuse_all(sandbox)
    agent.end("whole")
    sandbox.wait_for_reaction(general, question.ts, "x")
    sandbox.wait_until(lambda: session_of(sandbox, general, question) == "active")
    heal(sandbox)
    monkeypatch.setattr(live, "QUICK_S", 0.05 if shown else 30.0)
    more = sandbox.post(alice, general, f"{sandbox.mention} and more", thread_ts=question.ts)
    agent.wait_until_asked()
    if shown:
        sandbox.wait_for_call("chat.startStream", count=2)
    tick(bot)
    assert session_of(sandbox, general, question) == "processing"
    agent.end("more")
    sandbox.wait_for_reaction(general, more.ts, "white_check_mark")
    eventually(lambda: all_ended(observability, bot))
    assert session_of(sandbox, general, question) == "active"
    assert [each.text for each in sandbox.thread(general, question.ts)[1::2]] == ["whole", "more"]


@pytest.mark.parametrize("end", ["white_check_mark", "x"])
def test_a_question_whose_answer_has_to_wait_for_slack_shows_that_it_waits(
    end: str,
    monkeypatch: pytest.MonkeyPatch,
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    ask: Ask,
    general: Channel,
    observability: Observability,
) -> None:
    monkeypatch.setattr(live, "QUICK_S", 30.0)
    bot = start_bot(roster_of(agent))
    question = ask()
    sandbox.faults.rate_limit("chat.postMessage", times=100, retry_after=3_600)
    agent.end("whole")
    sandbox.wait_for_reaction(general, question.ts, "hourglass_flowing_sand")
    finished(observability, general, question.ts)
    if end == "x":  # It is given up after a day.
        bot.scheduler.tick(now=time.time_ns() + repair.LONGEST_NS + 1)
    else:
        heal(sandbox)
        tick(bot)
        (answer,) = ended(sandbox, general, question, end)
        assert answer.text == "whole"
    assert set(sandbox.reactions(general, question.ts)) == {end}


def test_an_answer_that_is_posted_as_its_turn_ends_is_marked_as_done(
    monkeypatch: pytest.MonkeyPatch,
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    ask: Ask,
    general: Channel,
    observability: Observability,
) -> None:
    monkeypatch.setattr(live, "QUICK_S", 30.0)
    bot = start_bot(roster_of(agent))
    question = ask()
    sandbox.faults.rate_limit("chat.postMessage", retry_after=3_600)
    go = sandbox.faults.hold("reactions.remove")
    agent.end("whole")
    eventually(lambda: bot.unfinished.abandoned() != [])
    tick(bot)
    assert sandbox.thread(general, question.ts)[-1].text == "whole"
    go.set()
    finished(observability, general, question.ts)

    def is_done() -> bool:
        tick(bot)  # As each few seconds: Slack may show it late.
        return set(sandbox.reactions(general, question.ts)) == {"white_check_mark"}

    eventually(is_done)


def test_the_text_of_an_answer_is_not_stored_where_no_text_may_be(
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    running: Ask,
    general: Channel,
    observability: Observability,
) -> None:
    bot = start_bot(roster_of(agent), capture="none")
    question = running()
    refuse_all(sandbox)
    agent.end("The whole answer.")
    sandbox.wait_for_reaction(general, question.ts, "x")
    eventually(
        lambda: len(left_replies(observability)) == 1
    )  # The turn has ended, the reply has not.
    bot.unfinished.close()
    (row,) = left_replies(observability)
    assert row.ending is None
    heal(sandbox)
    tick(start_bot(roster_of(Scripted())))
    (reply,) = ended(sandbox, general, question, "octagonal_sign")
    assert reply.text.endswith("I was restarted and had to stop. Please ask again.")


def test_a_failed_agents_note_takes_the_place_of_the_running_reply_later(
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    running: Ask,
    general: Channel,
) -> None:
    bot = start_bot(roster_of(agent))
    question = running()
    refuse_all(sandbox)
    agent.fail(crashed())
    sandbox.wait_for_reaction(general, question.ts, "x")
    heal(sandbox)
    tick(bot)
    (reply,) = ended(sandbox, general, question, "x")
    assert "could not answer" in reply.text
    assert not is_at_work(reply)


def test_a_running_reply_that_could_not_be_deleted_goes_later(
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    running: Ask,
    general: Channel,
    observability: Observability,
) -> None:
    bot = start_bot(roster_of(agent))
    question = running()
    for method in ("chat.update", "chat.delete"):
        sandbox.faults.error(method, "cant_do_that", times=1)
    agent.end("whole")
    sandbox.wait_for_reaction(general, question.ts, "white_check_mark")
    assert len(sandbox.thread(general, question.ts)) == 3
    tick(bot)
    (answer,) = sandbox.thread(general, question.ts)[1:]
    assert (answer.text, is_at_work(answer)) == ("whole", False)
    eventually(lambda: left_replies(observability) == [])


def test_an_answer_whose_blocks_slack_refuses_is_delivered_later_as_text(
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    running: Ask,
    general: Channel,
) -> None:
    bot = start_bot(roster_of(agent))
    question = running()
    refuse_all(sandbox)
    agent.end("word " * 1_500)
    sandbox.wait_for_reaction(general, question.ts, "x")
    heal(sandbox)
    sandbox.faults.refuse_blocks("markdown", "section")
    tick(bot)
    (answer,) = ended(sandbox, general, question, "white_check_mark")
    assert answer.text.count("word") == 1_500
    assert not is_at_work(answer)


def test_an_answer_of_which_slack_took_the_beginning_in_another_form_is_whole_later(
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    running: Ask,
    general: Channel,
) -> None:
    bot = start_bot(roster_of(agent))
    question = running()
    for method in ("chat.postMessage", "files.getUploadURLExternal"):
        sandbox.faults.error(method, "invalid_blocks", times=100)
    lines = [f"line {number:03} " + "word " * 15 for number in range(300)]
    agent.end("\n\n".join(lines))
    sandbox.wait_for_reaction(general, question.ts, "x")
    heal(sandbox)
    tick(bot)
    answers = ended(sandbox, general, question, "white_check_mark")
    shown = "".join(block["text"] for m in answers for block in m.blocks if "text" in block)
    assert [shown.count(line[:8]) for line in lines] == [1] * 300


@pytest.mark.parametrize("methods", [["startStream"], ["startStream", "postMessage"]])
def test_a_running_reply_that_slack_posted_without_saying_so_is_deleted(
    methods: list[str],
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    ask: Ask,
    general: Channel,
) -> None:
    bot = start_bot(roster_of(agent))
    for method in methods:
        sandbox.faults.lose_answer(f"chat.{method}")
    question = ask()
    sandbox.wait_until(lambda: len(sandbox.thread(general, question.ts)) == 3)
    tick(bot)
    assert len(sandbox.thread(general, question.ts)) == 3  # One of them may be in use.
    agent.end("whole")
    sandbox.wait_for_reaction(general, question.ts, "white_check_mark")
    tick(bot)
    (answer,) = sandbox.thread(general, question.ts)[1:]
    assert (answer.text, is_at_work(answer)) == ("whole", False)


def test_a_mark_that_slack_did_not_remove_goes_later(
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    running: Ask,
    general: Channel,
    observability: Observability,
) -> None:
    bot = start_bot(roster_of(agent))
    question = running()
    sandbox.faults.rate_limit("reactions.remove", times=100, retry_after=0)
    agent.end("whole")
    sandbox.wait_for_reaction(general, question.ts, "white_check_mark")
    assert set(sandbox.reactions(general, question.ts)) == {"eyes", "white_check_mark"}
    heal(sandbox)
    eventually(lambda: all_ended(observability, bot))
    assert set(sandbox.reactions(general, question.ts)) == {"white_check_mark"}


@pytest.mark.parametrize("fault", ["a channel that moves", "a row of another version"])
def test_a_reply_that_cannot_be_ended_keeps_no_other_from_its_end(
    fault: str, start_bot: StartBot, sandbox: Sandbox, alice: User, general: Channel
) -> None:
    bot = start_bot()
    question = sandbox.post(alice, general, "think hard")
    for agent in "abcdef":
        (message,) = reply_messages(f"of {agent}", payload={"agent": agent, "trace_id": "1"})
        bot.unfinished.begin(unfinished_reply(question, agent=agent))
        bot.unfinished.keep(f"1:{agent}", [message])
        bot.unfinished.leave(f"1:{agent}")
    if fault == "a channel that moves":
        sandbox.faults.error("conversations.replies", "external_channel_migrating")
    else:
        bot.unfinished.keep("1:a", ["no message"])  # type: ignore[list-item]
    bot.scheduler.tick(now=time.time_ns())
    assert len(sandbox.thread(general, question.ts)[1:]) == 5


def test_a_reply_is_given_up_after_a_day(
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    running: Ask,
    general: Channel,
    observability: Observability,
) -> None:
    bot = start_bot(roster_of(agent))
    question = running()
    refuse_all(sandbox)
    agent.end("whole")
    sandbox.wait_for_reaction(general, question.ts, "x")
    bot.scheduler.tick(now=time.time_ns() + repair.LONGEST_NS + 1)
    eventually(lambda: left_replies(observability) == [])


def test_a_question_that_was_asked_again_shows_only_how_its_last_reply_was_ended(
    start_bot: StartBot, sandbox: Sandbox, web: WebClient, alice: User, general: Channel
) -> None:
    bot = start_bot()
    question = sandbox.post(alice, general, "think hard")
    web.reactions_add(channel=general.id, timestamp=question.ts, name="white_check_mark")
    bot.unfinished.begin(unfinished_reply(question, agent="a"))
    bot.unfinished.leave("1:a")
    tick(bot)
    assert set(sandbox.reactions(general, question.ts)) == {"octagonal_sign"}


def test_an_answer_keeps_its_mark_if_what_lay_beside_it_is_given_up(
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    ask: Ask,
    general: Channel,
    observability: Observability,
) -> None:
    bot = start_bot(roster_of(agent))
    sandbox.faults.lose_answer("chat.startStream")
    question = ask()
    sandbox.wait_for_call("chat.startStream")
    agent.end("whole")
    sandbox.wait_for_reaction(general, question.ts, "white_check_mark")
    finished(observability, general, question.ts)
    bot.unfinished.close()
    assert left_replies(observability) != []
    after_a_weekend = start_bot(roster_of(Scripted()))
    after_a_weekend.scheduler.tick(now=time.time_ns() + 2 * repair.LONGEST_NS)
    eventually(lambda: left_replies(observability) == [])
    assert set(sandbox.reactions(general, question.ts)) == {"white_check_mark"}


def test_a_reply_of_an_app_that_has_no_sessions_is_not_watched_for_ever(
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    ask: Ask,
    general: Channel,
    observability: Observability,
) -> None:
    bot = start_bot(roster_of(agent))
    sandbox.faults.error("agents.sessions.setStatus", "not_allowed", times=1_000_000)
    sandbox.faults.lose_answer("chat.postMessage")
    question = ask()
    sandbox.wait_for_call("chat.postMessage")
    agent.end("whole")
    sandbox.wait_for_reaction(general, question.ts, "white_check_mark")
    finished(observability, general, question.ts)
    eventually(lambda: left_replies(observability) != [])
    eventually(lambda: all_ended(observability, bot))
    assert [each.text for each in sandbox.thread(general, question.ts)[1:]] == ["whole"]


FAULTY = (
    *("chat.startStream", "chat.appendStream", "chat.stopStream", "chat.postMessage"),
    *("chat.update", "chat.delete", "conversations.replies", "agents.sessions.setStatus"),
    *("reactions.add", "reactions.remove"),
)


def some_faults(chance: random.Random, sandbox: Sandbox) -> None:
    """Let the next call of some methods fail in one way or another."""
    faults = sandbox.faults
    for method in chance.sample(FAULTY, 4):
        match chance.randrange(5):
            case 0:
                faults.server_error(method)
            case 1:
                faults.lose_answer(method)
            case 2:
                faults.rate_limit(method, retry_after=0)
            case _:
                faults.error(method, chance.choice(["fatal_error", "cant_do_that"]))


@pytest.mark.parametrize("seed", range(2))
def test_whatever_slack_does_in_between_one_answer_remains_and_nothing_at_work(
    seed: int,
    agent: Scripted,
    monkeypatch: pytest.MonkeyPatch,
    start_bot: StartBot,
    sandbox: Sandbox,
    ask: Ask,
    general: Channel,
    observability: Observability,
) -> None:
    monkeypatch.setattr(delivery, "PATIENCE_S", 0.3)
    chance = random.Random(seed)
    bot = start_bot(roster_of(agent))
    questions = []
    for number in range(2):
        some_faults(chance, sandbox)
        question = ask()
        some_faults(chance, sandbox)
        agent.say(f"Answer {number} ")
        time.sleep(chance.random() * 0.2)
        some_faults(chance, sandbox)
        agent.end(f"Answer {number} is whole.")
        questions.append(question)
        bot.inbox._queues.drain(timeout=30)
    heal(sandbox)

    eventually(lambda: all_ended(observability, bot))
    for number, question in enumerate(questions):
        replies = sandbox.thread(general, question.ts)[1:]
        assert [reply.text for reply in replies] == [f"Answer {number} is whole."]
        assert not any(map(is_at_work, replies))
        assert len(sandbox.thread(general, question.ts)) == 2
        session = sandbox.session(general, question.ts)
        assert session is None or session.status == "active"
    assert len(sandbox.messages(general)) == 4
