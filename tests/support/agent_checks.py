"""Checks that each agent program passes, as tests/support/agent_programs.py installs it."""

import shutil
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest

from bot.agents.cancellation import Cancellation
from bot.agents.errors import AgentCancelled, AgentError
from bot.agents.invocation import invoke
from bot.agents.types import Agent, HistoryMessage, Mode, Progress, Request, ThreadState
from bot.http.otlp_receiver import Collector
from bot.sandbox import Channel, Sandbox, User
from storage import Observability
from storage.model.span import Span
from storage.queries.traces import recent_traces, trace_spans
from tests.support.agent_programs import provider
from tests.support.conversations import finished
from tests.support.fake_models import Hang, ModelServer, Refuse, Say, Use, model_server

TOOLS = {
    "Bash": {"command": "echo hello", "description": "Say hello"},
    "exec_command": {"cmd": "echo hello"},
    "list_directory": {"dir_path": "."},
    "bash": {"command": "echo hello", "description": "Say hello"},
}
WRITES = {
    "Write": {"file_path": "{work}/made.txt", "content": "made"},
    "exec_command": {"cmd": "echo made > made.txt"},
    "write_file": {"file_path": "{work}/made.txt", "content": "made"},
    "create": {"path": "{work}/made.txt", "file_text": "made"},
    "write": {"filePath": "{work}/made.txt", "content": "made"},
}
WRONG_KEY = Refuse(status=401, kind="invalid_api_key", message="Incorrect API key.")


def answers(name: str, tmp_path: Path) -> None:
    heard: list[Progress] = []
    prompt = "--help me: what is 6 × 7? $(id) `id`"
    with model_server(Use(arguments=TOOLS), Say(text="It is forty two.")) as models:
        agent = provider(name, models.url, tmp_path)
        reply = agent.answer(Request(prompt=prompt, on_progress=heard.append))
    assert models.unexpected == []
    assert (reply.text, reply.provider, reply.exit_code) == ("It is forty two.", name, 0)
    assert reply.tool_calls == 1
    if name != "copilot":  # It tells tokens only in its telemetry.
        assert reply.cached_tokens == 2_000
        # gemini first asks a small model which model to use.
        assert reply.input_tokens in (2_240, 2_245)
    assert reply.session_id
    assert "".join(progress.text for progress in heard).strip() == "It is forty two."
    assert [progress.tool for progress in heard if progress.tool] != []
    _, asked = models.requests[0]
    assert str(asked).count("what is 6 × 7? $(id) `id`") == 1, "the prompt is sent once, as it is"


def changes_files_only_in_execute_mode(name: str, tmp_path: Path) -> None:
    work = tmp_path / "work"
    arguments = {
        tool: {key: value.format(work=work) for key, value in given.items()}
        for tool, given in WRITES.items()
    }
    made = work / "made.txt"
    modes: tuple[tuple[Mode, bool], ...] = (("query", False), ("execute", True))
    for mode, changes in modes:
        with model_server(Use(arguments=arguments, optional=True), Say()) as models:
            # With a model of OpenAI, copilot writes with a tool whose input is not JSON.
            model = "claude-sonnet-4.5" if name == "copilot" else None
            agent = provider(name, models.url, tmp_path, model=model)
            assert agent.answer(Request(prompt="Make it.", mode=mode)).text == "Forty two."
        assert made.exists() is changes, f"{name} in {mode} mode"


def reads_a_file_that_came(name: str, tmp_path: Path) -> None:
    path = tmp_path / "files" / "of {slack}" / "F1.txt"
    path.parent.mkdir(parents=True)
    path.write_text("Its content: 4711\n")
    arguments = {
        "Read": {"file_path": str(path)},
        "exec_command": {"cmd": f"cat '{path}'"},
        "read_file": {"file_path": str(path)},
        "view": {"path": str(path)},
    }
    # opencode gets the file together with the prompt.
    steps = (Say(),) if name == "opencode" else (Use(arguments=arguments), Say())
    with model_server(*steps) as models:
        request = Request(prompt="Read it.", files=(path,))
        assert provider(name, models.url, tmp_path / "home").answer(request).text == "Forty two."
    assert "Its content: 4711" in str(models.requests[-1])


def cannot_read_the_bots_files(name: str, mode: Mode, tmp_path: Path) -> None:
    """Have the model ask for the bot's database and settings, and for a file that is allowed."""
    bot, work = tmp_path / "bot", tmp_path / "home" / "work"
    for path in (bot / "tracebot.db", bot / ".env", work / "own.txt"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"planted in {path.name}\n")
    command = f"cat own.txt; cat {bot}/tracebot.db; cat {bot}/.env; ls -a {bot}; true"
    arguments = {
        "Bash": {"command": command, "description": "Look around"},
        "exec_command": {"cmd": command},
        "read_file": {"file_path": str(bot / ".env")},
    }
    with model_server(Use(arguments=arguments), Say()) as models:
        agent = provider(name, models.url, tmp_path / "home")
        assert agent.answer(Request(prompt="Look around.", mode=mode)).text == "Forty two."
    heard = str(models.requests)
    assert "planted in tracebot.db" not in heard
    assert "planted in .env" not in heard
    # codex runs any command in both modes: that one was really carried out.
    assert name != "codex" or "planted in own.txt" in heard


def tells_a_wrong_key(name: str, tmp_path: Path) -> None:
    with model_server(WRONG_KEY) as models, pytest.raises(AgentError) as caught:
        provider(name, models.url, tmp_path).answer(Request(prompt="x"))
    assert caught.value.error_type == "authentication"


def can_be_stopped(name: str, tmp_path: Path) -> None:
    cancellation = Cancellation()
    with model_server(Hang()) as models:

        def cancel() -> None:
            deadline = time.monotonic() + 60
            while not models.requests and time.monotonic() < deadline:
                time.sleep(0.02)
            cancellation.cancel("U1")

        canceller = threading.Thread(target=cancel)
        canceller.start()
        with pytest.raises(AgentCancelled):
            provider(name, models.url, tmp_path).answer(
                Request(prompt="x", cancellation=cancellation)
            )
        canceller.join()
        assert models.requests


def goes_on_with_its_session(name: str, tmp_path: Path, observability: Observability) -> None:
    """Ask three times in a thread, and delete all sessions before the third time."""
    history: list[HistoryMessage] = []
    told = []
    with model_server(Say(text="It was the disk.")) as models:
        program = provider(name, models.url, tmp_path)
        agent = Agent(name=name, providers=(program,))
        for number in (1, 2, 3):
            question = HistoryMessage(
                author="alice", text=f"What is MARK-{number}?", ts=f"{number}.0"
            )
            request = Request(
                prompt=question.text,
                ts=question.ts,
                history=tuple(history),
                channel="C1",
                thread_ts="1.0",
                thread=ThreadState(team="T1", fingerprint=lambda until: until),
            )
            if number == 3:
                for folder in program.program.own_folders({"HOME": str(tmp_path)}):
                    _remove_sessions(folder)
            with observability.span("slack message") as turn:
                text = invoke(agent, request, observability=observability).text
            own = {"author": name, "agent": True, "trace_id": turn.trace_id}
            history += [question, HistoryMessage(text=text, ts=f"{number}.5", **own)]
            (attempt,) = _attempts(observability, turn.trace_id)
            told.append(attempt.attributes["tracebot.session"])
    assert models.unexpected == []
    assert told == ["fresh", "resumed", "fallback"]
    for number, (_, asked) in enumerate(models.requests, 1):
        marks = [str(asked).count(f"MARK-{each}") for each in (1, 2, 3)]
        assert marks == [1] * number + [0] * (3 - number), "it knows each question once"


def _attempts(observability: Observability, trace_id: str) -> list[Span]:
    observability.flush()
    spans = trace_spans(observability.database, trace_id)
    return [span for span in spans if span.name.startswith("attempt")]


def _remove_sessions(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.suffix in (".jsonl", ".db", ".sqlite") or "session" in path.name:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def goes_on_in_slack(
    name: str,
    models: ModelServer,
    sandbox: Sandbox,
    observability: Observability,
    user: User,
    channel: Channel,
) -> None:
    """Ask twice in a thread of Slack, where a bot answers with the program as its agent."""
    question = sandbox.post(user, channel, f"{sandbox.mention} what is MARK-ONE?")
    sandbox.wait_for_reaction(channel, question.ts, "white_check_mark", timeout=60)
    follow_up = sandbox.post(user, channel, "and MARK-TWO?", thread_ts=question.ts)
    sandbox.wait_for_reaction(channel, follow_up.ts, "white_check_mark", timeout=60)
    traces = finished(observability, channel, question.ts, count=2)
    assert models.unexpected == []
    (_, first), (_, second) = models.requests
    assert str(second).count("MARK-ONE") == str(first).count("MARK-ONE") == 1
    assert "Since your last answer" not in str(second), "nobody else said anything"
    assert "MARK-TWO" in str(second)
    attempts = [each for trace in traces for each in _attempts(observability, trace.trace_id)]
    told = {each.attributes["tracebot.session"]: each for each in attempts}
    assert sorted(told) == ["fresh", "resumed"]
    before, after = told["fresh"], told["resumed"]
    conversation = "gen_ai.conversation.id"
    assert before.attributes[conversation] == after.attributes[conversation]
    # What a turn took, not the session: the stand-in tells the same for each.
    assert (after.input_tokens, after.cached_tokens) == (before.input_tokens, 1_000)


TELEMETRY = {
    "claude": {
        "claude_code.interaction": "attempt claude",
        "claude_code.llm_request": "claude_code.interaction",
    },
    "codex": {"session_task.turn": "attempt codex", "handle_responses": "session_task.turn"},
    "copilot": {"invoke_agent": "attempt copilot", "chat gpt-5.4": "invoke_agent"},
    "gemini": {"llm_call": "attempt gemini"},
}
"""What each program records that is worth keeping, and what that hangs under.

Not opencode, which ends at times before it has sent anything.
"""

PLACE = {"team": "T1", "channel": "C1", "user": "U1", "audience": "C1"}

TURNS = 3
"""Turns of which one has to be whole.

In 4 of 150 turns on a busy machine codex shut down before the span of its turn had ended: its only
request with spans did not have that one.
"""


def spans_once(
    observability: Observability, holds: Callable[[list[Span]], bool], *, patience_s: float = 30
) -> list[Span]:
    """Return the spans of the newest trace, as soon as they are all there."""
    deadline = time.monotonic() + patience_s
    while True:
        assert observability.flush()
        summary = recent_traces(observability.database).traces[0]
        spans = list(trace_spans(observability.database, summary.trace_id))
        if holds(spans):
            return spans
        assert time.monotonic() < deadline, [span.name for span in spans]
        time.sleep(0.05)


def hangs_its_telemetry_under_ours(name: str, tmp_path: Path, observability: Observability) -> None:
    collector = Collector(observability, capture=lambda text: text[:20], key="c0ffee" * 5)
    expected = TELEMETRY[name]
    try:
        url = collector.listen()
        for turn in range(TURNS):
            with model_server(Say()) as models, observability.span("slack message", **PLACE):
                program = provider(name, models.url, tmp_path / "home")
                invoke(
                    Agent(name=name, mode="query", providers=(program,)),
                    Request(prompt="What is six times seven?", collector=url),
                    observability=observability,
                )
            assert models.unexpected == [], "other requests"
            with suppress(AssertionError) if turn < TURNS - 1 else nullcontext():
                spans = spans_once(
                    observability,
                    lambda spans: {span.name for span in spans} >= set(expected),
                    patience_s=10,
                )
                break
    finally:
        collector.stop()
    names = {span.span_id: span.name for span in spans}
    assert {s.name: names.get(s.parent_id or "") for s in spans if s.name in expected} == expected
    for span in spans:
        seen = (span.platform, span.team, span.channel, span.user, span.audience)
        assert seen == ("slack", "T1", "C1", "U1", "C1")
    theirs = [span for span in spans if span.name in expected]
    assert {span.agent for span in theirs} == {name}
    assert max(span.output_tokens or 0 for span in theirs) >= 7
    summary = recent_traces(observability.database).traces[0]
    attempt = next(span for span in spans if span.name == f"attempt {name}")
    # Copilot tells its tokens nowhere but in its telemetry.
    told = attempt.output_tokens if attempt.output_tokens is not None else 7
    assert summary.output_tokens == told
    assert len(spans) < 30
