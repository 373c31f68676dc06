"""Agents that go on with their own session in a thread: real processes, the real app."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from slack_sdk import WebClient

from bot.agents.config.roster import load_roster
from bot.agents.errors import AgentError
from bot.agents.invocation import invoke
from bot.agents.sessions import ThreadSession
from bot.agents.types import HistoryMessage, Mode, Reply, Request, ThreadState
from bot.sandbox import Channel, Message, Sandbox, User
from storage import Observability
from storage.database.models import AgentSessionRow
from storage.database.transactions import transaction
from storage.model.erasure import Erasure
from storage.model.span import Span
from storage.queries.traces import recent_traces, trace_spans
from storage.recovery.opening import open_database
from storage.store.erasure_log import append, erasure_log
from storage.upkeep.erasure import erase
from tests.support.conversations import StartBot, answered, ended, eventually, finished, spans_of
from tests.support.running_bot import start_in
from tests.support.session_program import SessionProgram


@pytest.fixture
def program(tmp_path: Path) -> SessionProgram:
    return SessionProgram(tmp_path)


class Thread:
    """A thread in which an agent is asked, without Slack."""

    def __init__(self, program: SessionProgram, observability: Observability, file: Path) -> None:
        self.program = program
        self.history: list[HistoryMessage] = []
        self._observability = observability
        self._file = file
        self._clock = 1_764_150_000
        self.trace_id = ""

    def say(self, text: str, *, author: str = "bob", **more: Any) -> None:
        self._clock += 1
        ts = f"{self._clock}.000100"
        self.history.append(HistoryMessage(author=author, text=text, ts=ts, **more))

    def ask(
        self,
        text: str = "and?",
        *,
        mode: Mode = "query",
        agent_mode: str = "query",
        **settings: Any,
    ) -> Reply:
        self._file.write_text(self.program.agents(mode=agent_mode, **settings))
        agent = load_roster(self._file).agent("claude")
        before = tuple(self.history)
        self.say(text, author="alice")
        known = tuple(self.history)

        def fingerprint(until: str) -> str:
            return repr([(each.ts, each.text) for each in known if "" < each.ts <= until])

        request = Request(
            prompt=text,
            mode=mode,
            history=before,
            ts=known[-1].ts,
            channel="C1",
            thread_ts="1.0",
            thread=ThreadState(team="T1", fingerprint=fingerprint),
        )
        with self._observability.span("slack message") as turn:
            self.trace_id = turn.trace_id
            reply = invoke(agent, request, observability=self._observability)
        self.say(reply.text, author="claude", agent=True, trace_id=turn.trace_id)
        return reply

    def attempt(self) -> Span:
        """Return the span of the last attempt."""
        self._observability.flush()
        spans = trace_spans(self._observability.database, self.trace_id)
        return next(span for span in spans if span.name == "attempt claude")

    def way(self) -> tuple[object, object]:
        found = self.attempt().attributes
        return found.get("tracebot.session"), found.get("tracebot.session.reason")


@pytest.fixture
def thread(program: SessionProgram, observability: Observability, tmp_path: Path) -> Thread:
    return Thread(program, observability, tmp_path / "agents.toml")


def test_a_follow_up_is_asked_in_the_session_with_only_what_is_new(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    program: SessionProgram,
    alice: User,
    general: Channel,
) -> None:
    bob = sandbox.add_user("bob")
    sandbox.join(bob, general)
    start_bot(program.agents(instructions="You are brief."))
    question, _ = answered(sandbox, alice, general, "what broke?")
    other = sandbox.add_bot("paging")
    sandbox.post(bob, general, f"{other.mention} it was the disk", thread_ts=question.ts)
    follow_up = sandbox.post(alice, general, "and why?", thread_ts=question.ts)
    ended(sandbox, general, follow_up, "white_check_mark")
    assert "answer 1" in sandbox.thread(general, question.ts)[-1].text
    first, second = program.prompts()
    assert "You are brief." in first
    assert "what broke?" in first
    assert program.resumed() == ["", "s-0"]
    assert "Since your last answer:" in second
    assert "bob: @paging it was the disk" in second
    assert second.endswith("and why?\n")
    assert not any(known in second for known in ("You are brief.", "what broke?", "answer 0"))
    traces = finished(observability, general, question.ts, count=3)
    attempts = [spans_of(observability, each).get("attempt claude") for each in traces]
    told = [
        (span.attributes["tracebot.session"], span.attributes["gen_ai.conversation.id"])
        for span in attempts
        if span is not None
    ]
    assert sorted(told) == [("fresh", "s-0"), ("resumed", "s-0")]


def test_an_edited_question_begins_a_new_session(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    program: SessionProgram,
    alice: User,
    general: Channel,
) -> None:
    start_bot(program.agents())

    def edit(question: Message, answer: Message) -> None:
        sandbox.edit(alice, question, f"{sandbox.mention} what broke today?")
        eventually(lambda: session_ids(observability) == [None])

    asked_twice(sandbox, alice, general, edit)
    assert fell_back(observability, program, "thread_changed")
    assert "what broke today?" in program.prompts()[-1]


def test_a_question_that_was_edited_before_it_was_asked_keeps_its_session(
    sandbox: Sandbox,
    start_bot: StartBot,
    program: SessionProgram,
    alice: User,
    general: Channel,
) -> None:
    start_bot(program.agents(), answer_edits=True)
    question = sandbox.post(alice, general, "what broke?")
    sandbox.edit(alice, question, f"{sandbox.mention} what broke?")
    ended(sandbox, general, question, "white_check_mark")
    follow_up = sandbox.post(alice, general, "and why?", thread_ts=question.ts)
    ended(sandbox, general, follow_up, "white_check_mark")
    assert program.resumed() == ["", "s-0"]


def test_a_session_survives_a_restart_but_no_edit_meanwhile(
    sandbox: Sandbox,
    observability: Observability,
    program: SessionProgram,
    tmp_path: Path,
    alice: User,
    general: Channel,
) -> None:
    file = tmp_path / "agents.toml"
    file.write_text(program.agents())
    text = f"{sandbox.mention} what broke?"
    root = sandbox.post(alice, general, "The shop is slow.")
    for change in ("", "", "very "):
        if change:
            sandbox.edit(alice, root, f"The shop is {change}slow.")
        bot = start_in(sandbox, observability, load_roster(file))
        sandbox.wait_for_app()
        asked = sandbox.post(alice, general, text, thread_ts=root.ts)
        ended(sandbox, general, asked, "white_check_mark")
        bot.stop(grace=5.0)
    assert program.resumed() == ["", "s-0", ""]
    assert fell_back(observability, program, "thread_changed")


def test_an_answer_that_was_deleted_begins_a_new_session(
    sandbox: Sandbox,
    observability: Observability,
    web: WebClient,
    start_bot: StartBot,
    program: SessionProgram,
    alice: User,
    general: Channel,
) -> None:
    start_bot(program.agents())
    asked_twice(
        sandbox,
        alice,
        general,
        lambda question, answer: web.chat_delete(channel=general.id, ts=answer.ts),
    )
    assert fell_back(observability, program, "thread_changed")
    assert "answer 0" not in program.prompts()[-1]


def test_nobody_is_answered_in_the_session_of_another_thread(
    sandbox: Sandbox, start_bot: StartBot, program: SessionProgram, alice: User, general: Channel
) -> None:
    start_bot(program.agents())
    other = sandbox.add_channel("other", [alice])
    for channel in (general, general, other):
        question = sandbox.post(alice, channel, f"{sandbox.mention} what broke?")
        ended(sandbox, channel, question, "white_check_mark")
    assert program.resumed() == ["", "", ""]


def test_a_session_that_is_gone_is_replaced_within_the_turn(
    thread: Thread, program: SessionProgram
) -> None:
    thread.ask("first")
    program.lose_sessions()
    assert thread.ask("second").text == "answer 2"
    assert program.resumed() == ["", "s-0", ""]
    assert thread.way() == ("fallback", "gone")
    assert "first" in program.prompts()[-1]
    assert thread.ask("third").text == "answer 3"
    assert program.resumed()[-1] == "s-2"


@pytest.mark.parametrize("why", ["damaged", "full"])
def test_a_session_that_cannot_be_used_is_replaced_within_the_turn(
    thread: Thread, program: SessionProgram, why: str
) -> None:
    thread.ask()
    (program.home / why).touch()
    assert thread.ask().text == "answer 2"
    assert thread.way() == ("fallback", "gone")


@pytest.mark.parametrize("failing", [False, True])
def test_what_a_session_cost_before_it_was_replaced_is_counted(
    thread: Thread, program: SessionProgram, failing: bool
) -> None:
    model = "claude-sonnet-4-5"
    thread.ask(model=model)
    alone = thread.attempt()
    assert (alone.input_tokens, alone.output_tokens) == (95, 3)
    assert alone.cost is not None
    (program.home / "full").touch()
    if failing:
        (program.home / "failing").touch()
        with pytest.raises(AgentError, match="the model is away"):
            thread.ask(model=model)
    else:
        thread.ask(model=model)
    told = thread.attempt()
    fresh = (0, 0, 0) if failing else (alone.input_tokens, alone.output_tokens, alone.cost)
    # 70,000 tokens of input at 3 dollars a million, in millionths of a dollar.
    assert (told.input_tokens, told.output_tokens, told.cost) == (
        fresh[0] + 70_000,
        fresh[1],
        fresh[2] + 210_000,
    )


def test_a_turn_that_failed_ends_its_session(thread: Thread, program: SessionProgram) -> None:
    thread.ask()
    (program.home / "failing").touch()
    with pytest.raises(AgentError, match="the model is away"):
        thread.ask()
    assert thread.way() == ("resumed", None)
    (program.home / "failing").unlink()
    thread.ask()
    assert program.resumed() == ["", "s-0", ""]
    assert thread.way() == ("fresh", None)


@pytest.mark.parametrize(
    "change",
    [
        {"model": "opus"},
        {"instructions": "You are brief."},
        {"working_directory": "bin"},
        {"mode": "execute"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_other_settings_begin_a_new_session(
    thread: Thread, program: SessionProgram, change: dict[str, Any]
) -> None:
    thread.ask(agent_mode="execute")
    thread.ask(agent_mode="execute", **change)
    assert program.resumed() == ["", ""]
    assert thread.way() == ("fallback", "settings_changed")


def test_an_agent_can_be_asked_without_sessions(thread: Thread, program: SessionProgram) -> None:
    thread.ask("first", sessions="fresh")
    thread.ask("second", sessions="fresh")
    assert program.resumed() == ["", ""]
    assert "first" in program.prompts()[1]
    assert thread.way() == (None, None)


def test_answers_of_others_are_told_and_only_its_own_is_not(
    thread: Thread, program: SessionProgram
) -> None:
    thread.ask()
    thread.say("what codex says", author="codex", agent=True, trace_id=thread.trace_id)
    thread.say("by the next provider", author="claude", agent=True, trace_id="f" * 32)
    thread.say("what a person says", author="claude")
    thread.ask()
    second = program.prompts()[1]
    for told in ("what codex says", "by the next provider", "what a person says"):
        assert told in second
    assert "answer 0" not in second


def test_a_note_on_what_is_left_out_is_told_only_if_it_is_new(
    thread: Thread, program: SessionProgram
) -> None:
    thread.history.append(HistoryMessage(author="", text="[5 messages are left out]"))
    thread.ask()
    thread.history.append(HistoryMessage(author="", text="[7 messages are left out]"))
    thread.ask()
    assert "[5 messages" not in program.prompts()[1]
    assert "[7 messages" in program.prompts()[1]


def test_the_next_provider_of_the_same_program_goes_on_with_its_session(
    thread: Thread, program: SessionProgram
) -> None:
    thread.ask(models=("busy", "opus"))
    thread.ask(models=("busy", "opus"))
    assert program.resumed() == ["", "", "", "s-1"]


def test_agents_side_by_side_have_sessions_of_their_own(
    sandbox: Sandbox,
    start_bot: StartBot,
    program: SessionProgram,
    tmp_path: Path,
    alice: User,
    general: Channel,
) -> None:
    (tmp_path / "beside").mkdir()
    other = SessionProgram(tmp_path / "beside")
    start_bot("\n".join([program.agents("claude"), other.agents("codex")]))
    question = sandbox.post(alice, general, f"{sandbox.mention} @claude @codex what broke?")
    ended(sandbox, general, question, "white_check_mark")
    follow_up = sandbox.post(
        alice, general, f"{sandbox.mention} @claude @codex and why?", thread_ts=question.ts
    )
    ended(sandbox, general, follow_up, "white_check_mark")
    for each, beside in ((program, "codex"), (other, "claude")):
        assert each.resumed() == ["", "s-0"]
        assert f"{beside} (agent): answer 0" in each.prompts()[1]


def test_an_agent_answers_while_the_database_is_locked(
    program: SessionProgram, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "locked.db"
    with Observability.open(path, platform="slack", busy_timeout_ms=50) as observability:
        thread = Thread(program, observability, tmp_path / "agents.toml")
        thread.ask()
        other = open_database(path)
        with transaction(other):
            assert thread.ask().text == "answer 1"
        other.close()
        assert thread.way() == ("fresh", "database_unavailable")
        observability.database.close()
    assert program.resumed() == ["", ""]
    assert "claude's session is not remembered" in caplog.text


@dataclass(frozen=True)
class Remembering:
    """A provider that goes on with its sessions."""

    name: str = "claude"

    def session_settings(self, request: Request) -> str:
        return "s"


@pytest.mark.parametrize(
    ("facts", "way"),
    [({"user": "U1"}, "fallback"), ({"channel": "C2", "message_ts": "1.0"}, "resumed")],
    ids=["user", "message elsewhere"],
)
def test_a_session_is_not_continued_if_somebody_was_forgotten_during_its_turn(
    observability: Observability, facts: dict[str, str], way: str
) -> None:
    database = observability.database
    state = ThreadState(team="T1", fingerprint=str)
    request = Request(prompt="x", ts="2.0", channel="C1", thread_ts="1.0", thread=state)
    with observability.span("slack message") as turn:
        running = ThreadSession(database, "helper", Remembering(), request)
        running.take()
        erasure = Erasure(at=time.time_ns(), by="U1", team="T1", **facts)
        append(erasure_log(database.path), erasure)
        erase(database, erasure)
        running.keep(Reply(text="x", provider="claude", session_id="s-1"), turn.trace_id)
    answer = HistoryMessage(author="helper", text="x", ts="2.5", agent=True, trace_id=turn.trace_id)
    following = ThreadSession(
        database, "helper", Remembering(), replace(request, history=(answer,))
    )
    following.take()
    assert following.way == way


def test_no_option_is_passed_as_the_name_of_a_session(
    thread: Thread, program: SessionProgram, observability: Observability
) -> None:
    source = program.path.read_text()
    program.path.write_text(source.replace("s-$turn", "--settings=x"))
    thread.ask()
    assert session_ids(observability) == []


def asked_twice(
    sandbox: Sandbox, alice: User, general: Channel, between: Callable[[Message, Message], object]
) -> None:
    """Ask, change something (given the question and its answer), and ask again in the thread."""
    question, answer = answered(sandbox, alice, general, "what broke?")
    between(question, answer)
    follow_up = sandbox.post(alice, general, f"{sandbox.mention} and why?", thread_ts=question.ts)
    ended(sandbox, general, follow_up, "white_check_mark")


def fell_back(observability: Observability, program: SessionProgram, reason: str) -> bool:
    """Return True if the last question was asked with the whole conversation, for this reason."""
    observability.flush()
    spans = [
        span
        for trace in recent_traces(observability.database).traces
        for span in trace_spans(observability.database, trace.trace_id)
        if span.name == "attempt claude"
    ]
    told = max(spans, key=lambda span: span.started_at).attributes
    assert (told["tracebot.session"], told["tracebot.session.reason"]) == ("fallback", reason)
    return program.resumed()[-1] == "" and "The conversation so far:" in program.prompts()[-1]


def session_ids(observability: Observability) -> list[str | None]:
    rows = AgentSessionRow.select(AgentSessionRow.session_id).tuples()
    return [session_id for (session_id,) in rows.execute(observability.database)]
