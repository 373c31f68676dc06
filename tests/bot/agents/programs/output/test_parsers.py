"""Parse what agents' programs printed, from tests/support/agents_output.

The output of crewx is written by hand: the program cannot be installed here.
"""

import json
import re
import signal
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.agents.errors import AgentError, SessionGone
from bot.agents.pricing import with_estimated_cost
from bot.agents.programs.catalog import PROGRAMS
from bot.agents.programs.output.answer import ParsedAnswer
from bot.agents.programs.output.error_types import error_type_of
from bot.agents.programs.output.reader import JsonLinesReader
from bot.agents.programs.process.supervisor import Limits
from bot.agents.programs.provider import CommandProvider
from bot.agents.types import Progress, Request, Session
from tests.support.paths import ROOT

OUTPUTS = ROOT / "tests" / "support" / "agents_output"
BY_NAME = {program.name: program for program in PROGRAMS}
REPLAY = """
import json, sys
sys.stdin.read()
*lines, end = open(sys.argv[1]).read().splitlines(keepends=True)
sys.stdout.writelines(lines)
sys.stdout.flush()
sys.stderr.write(json.loads(end)["stderr"])
sys.exit(max(json.loads(end)["exit_code"], 0))
"""


def replaying(name: str, case: str) -> CommandProvider:
    """A program that prints what the real one printed."""
    return CommandProvider(
        agent=name,
        program=BY_NAME[name],
        command=(sys.executable, "-S", "-c", REPLAY, str(OUTPUTS / f"{name}_{case}.jsonl")),
        model="configured",
    )


TOKENS = {"input_tokens": 1_120, "output_tokens": 7, "cached_tokens": 1_000}
ANSWERS: dict[tuple[str, str], dict[str, Any]] = {
    ("claude", "answer"): {
        **TOKENS,
        "cost": 1_275,
        "cost_source": "reported",
        "turns": 1,
        "tool_calls": None,
        "model": "claude-opus-4-8",
        "stop_reason": "end_turn",
        "response_id": "msg_01",
        "session_id": "00000000-id",
        "exit_code": 0,
    },
    ("claude", "tool"): {
        "input_tokens": 2_240,
        "output_tokens": 27,
        "cached_tokens": 2_000,
        "cost": 2_875,
        "turns": 2,
        "tool_calls": 1,
    },
    ("codex", "answer"): {
        **TOKENS,
        "cost": None,
        "model": "configured",
        "session_id": "00000000-id",
        "tool_calls": None,
    },
    ("codex", "tool"): {"input_tokens": 2_240, "output_tokens": 27, "tool_calls": 1},
    ("gemini", "answer"): {
        # The small model that chose which one to ask had 5 and 5.
        **TOKENS,
        "input_tokens": 1_125,
        "output_tokens": 12,
        "tool_calls": 0,
        "model": "gemini-3.1-pro-preview",
        "session_id": "00000000-id",
    },
    ("gemini", "tool"): {"input_tokens": 2_245, "output_tokens": 32, "tool_calls": 1},
    ("copilot", "answer"): {
        "input_tokens": None,
        "cost": None,
        "model": "gpt-5.4",
        "turns": 1,
        "session_id": "00000000-id",
        "response_id": "chatcmpl_01",
    },
    ("copilot", "tool"): {"turns": 2, "tool_calls": 1},
    ("opencode", "answer"): {
        **TOKENS,
        "cost": None,
        "model": "configured",
        "turns": 1,
        "stop_reason": "stop",
        "session_id": "ses_id",
    },
    ("opencode", "tool"): {"input_tokens": 2_240, "output_tokens": 27, "turns": 2, "tool_calls": 1},
}


@pytest.mark.parametrize(("name", "case"), ANSWERS)
def test_an_answer_is_parsed_with_its_figures(name: str, case: str) -> None:
    received: list[Progress] = []
    reply = replaying(name, case).answer(Request(prompt="What is it?", on_progress=received.append))
    assert (reply.text, reply.provider) == ("Forty two.", name)
    expected = ANSWERS[name, case]
    assert {field: getattr(reply, field) for field in expected} == expected
    assert reply.first_output_ns is not None
    assert "".join(progress.text for progress in received).strip() == "Forty two."
    tools = {progress.tool.id for progress in received if progress.tool}
    assert len(tools) == (1 if case == "tool" else 0)


def test_claude_counts_what_its_subagents_took() -> None:
    reply = replaying("claude", "subagent").answer(Request(prompt="x"))
    assert reply.text == "Done."
    read, written, fresh = 3_000, 300, 120 + 500 + 10
    assert reply.input_tokens == fresh + read + written
    assert (reply.cached_tokens, reply.cache_write_tokens) == (read, written)
    assert reply.output_tokens == 20 + 50 + 5
    assert (reply.cost, reply.cost_source) == (8_400, "reported")


MODELS = {
    "claude-opus-4-5[1m]": {"inputTokens": 10, "outputTokens": 100, "cacheReadInputTokens": 1_000},
    "claude-haiku-4-5": {"inputTokens": 500, "outputTokens": 50, "cacheCreationInputTokens": 400},
}
OPUS, HAIKU = 10 * 5 + 1_000 * 0.5 + 100 * 25, 500 + 400 * 1.25 + 50 * 5
"""Micro-dollars, as Anthropic publishes the prices."""


@pytest.mark.parametrize(
    ("told", "by_model", "cost"),
    [
        ({"total_cost_usd": 0.5}, (0.1, 0.2), (500_000, "reported")),
        ({}, (0.1, 0.2), (300_000, "reported")),
        ({}, (0.1, None), (round(OPUS + HAIKU), "estimated")),
        ({"total_cost_usd": None}, (None, None), (round(OPUS + HAIKU), "estimated")),
    ],
)
def test_each_model_of_claude_and_its_subagents_has_its_own_price(
    told: dict[str, Any], by_model: tuple[float | None, ...], cost: tuple[int, str]
) -> None:
    models = {
        name: {**usage, "costUSD": dollars}
        for (name, usage), dollars in zip(MODELS.items(), by_model, strict=True)
    }
    usage = {"input_tokens": 10, "output_tokens": 100}
    line = {"type": "result", "result": "Yes.", "usage": usage, "modelUsage": models, **told}
    reply = printing(json.dumps(line), name="claude").answer(Request(prompt="x"))
    assert (reply.input_tokens, reply.output_tokens, reply.cached_tokens) == (1_910, 150, 1_000)
    priced = with_estimated_cost(reply)
    assert (priced.cost, priced.cost_source) == cost


def test_gemini_counts_its_thoughts_and_each_model_by_itself() -> None:
    reply = replaying("gemini", "thinking").answer(Request(prompt="x"))
    assert (reply.input_tokens, reply.output_tokens, reply.cached_tokens) == (1_125, 102, 1_000)
    assert reply.model == "gemini-3.1-pro-preview"
    figures = {each.model: (each.input_tokens, each.output_tokens) for each in reply.models}
    assert figures == {"gemini-3.5-flash-lite": (5, 5), "gemini-3.1-pro-preview": (1_120, 97)}


def test_codex_tells_the_sum_of_its_session_of_which_this_turn_took_a_part() -> None:
    session = Session(id="0-id", input_tokens=1_120, output_tokens=97, cached_tokens=1_000)
    reply = replaying("codex", "resumed").answer(Request(prompt="x", session=session))
    figures = (reply.input_tokens, reply.output_tokens, reply.cached_tokens)
    assert figures == (1_120, 97, 1_000)


def test_codex_may_tell_the_sum_of_its_session_more_than_once() -> None:
    usage = {"input_tokens": 10, "cached_input_tokens": 4, "output_tokens": 2}
    lines = [
        {"type": "item.completed", "item": {"type": "agent_message", "text": "Yes."}},
        {"type": "turn.completed", "usage": usage},
        {"type": "turn.completed", "usage": {**usage, "input_tokens": 30, "output_tokens": 5}},
    ]
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    reply = printing(text, name="codex").answer(Request(prompt="x"))
    assert (reply.input_tokens, reply.output_tokens, reply.cached_tokens) == (30, 5, 4)


USES = {
    "claude": ("Bash: echo hello", "description: Say hello", "hello", "complete"),
    "codex": ("command execution: /bin/bash -lc 'echo hello'", "", "hello", "complete"),
    "gemini": ("list_directory", "dir_path: .", "Directory is empty.", "complete"),
    "copilot": (
        "bash: echo hello",
        "description: Say hello",
        "Permission to run this tool was denied due to the following rules: `shell`",
        "error",
    ),
    "opencode": ("bash: echo hello", "description: Say hello", "hello", "complete"),
}


@pytest.mark.parametrize("name", USES)
def test_a_tool_is_told_with_its_arguments_and_its_result(name: str) -> None:
    received: list[Progress] = []
    replaying(name, "tool").answer(Request(prompt="x", on_progress=received.append))
    begun, ended = [progress.tool for progress in received if progress.tool]
    assert begun.id == ended.id
    assert (begun.title, begun.details, ended.output, ended.status) == USES[name]


@pytest.mark.parametrize("name", ["claude", "copilot"])
def test_a_long_answer_comes_in_pieces(name: str) -> None:
    received: list[Progress] = []
    reply = replaying(name, "long").answer(Request(prompt="x", on_progress=received.append))
    assert reply.text == " ".join(["word"] * 20)
    assert len(received) > 10


@pytest.mark.parametrize(
    ("name", "case", "error_type", "words"),
    [
        ("claude", "authentication", "authentication", "the API refused its key"),
        ("claude", "quota", "quota", "You exceeded your current quota"),
        ("claude", "refused", "refused", "appears to violate our Usage Policy"),
        ("codex", "authentication", "authentication", "401 Unauthorized"),
        ("codex", "quota", "quota", "Quota exceeded"),
        ("codex", "refused", "empty", "without an answer"),
        ("gemini", "authentication", "authentication", "Incorrect API key"),
        ("gemini", "quota", "quota", "exhausted your daily quota"),
        ("copilot", "authentication", "authentication", "HTTP 401"),
        ("copilot", "quota", "quota", "429 You exceeded"),
        ("opencode", "authentication", "authentication", "Incorrect API key"),
        ("opencode", "refused", "refused", "content filter"),
    ],
)
def test_a_failure_is_told_apart(name: str, case: str, error_type: str, words: str) -> None:
    with pytest.raises(AgentError) as caught:
        replaying(name, case).answer(Request(prompt="x"))
    assert caught.value.error_type == error_type
    assert caught.value.message.startswith(f"{name} ")
    assert words in caught.value.message


def test_what_a_refusal_cost_is_known() -> None:
    with pytest.raises(AgentError) as caught:
        replaying("claude", "refused").answer(Request(prompt="x"))
    partial = caught.value.partial
    assert partial is not None
    assert (partial.cost, partial.input_tokens, partial.stop_reason) == (1_275, 1_120, "refusal")


def test_a_program_that_would_try_again_for_minutes_is_not_waited_for() -> None:
    script = (
        'i=0; while :; do i=$((i+1)); echo \'{"type":"system","subtype":"api_retry","attempt":\''
        '$i\',"error":"authentication_failed"}\'; sleep 0.05; done'
    )
    agent = CommandProvider(agent="c", program=BY_NAME["claude"], command=("sh", "-c", script))
    with pytest.raises(AgentError) as caught:
        agent.answer(Request(prompt="x"))
    assert caught.value.error_type == "authentication"


def printing(
    text: str, *, name: str = "claude", code: int = 0, stderr: str = ""
) -> CommandProvider:
    end = f"sys.exit({code})" if code >= 0 else f"os.kill(os.getpid(), {-code})"
    said = f"sys.stdout.write({text!r}); sys.stdout.flush(); sys.stderr.write({stderr!r})"
    script = f"import os, sys; {said}; {end}"
    command = (sys.executable, "-S", "-c", script)
    return CommandProvider(agent=name, program=BY_NAME[name], command=command)


RESULT = json.dumps({"type": "result", "result": "Yes.", "is_error": False})


@pytest.mark.parametrize(
    "said",
    [
        "You've hit your limit · resets 3pm (UTC)",
        "You've hit your session limit · resets 8:30pm (Asia/Tokyo)",
        "You've reached your Opus 4 limit",
        "5-hour limit reached ∙ resets 3pm",
        "Weekly limit reached ∙ resets Oct 7",
    ],
)
def test_the_limits_of_a_subscription_are_a_quota(said: str) -> None:
    result = json.dumps({"type": "result", "subtype": "success", "is_error": True, "result": said})
    with pytest.raises(AgentError) as caught:
        printing(result).answer(Request(prompt="x"))
    assert caught.value.error_type == "quota"


@pytest.mark.parametrize(
    ("said", "error_type"),
    [
        ("You're out of extra usage · resets Mar 12, 10am (UTC)", "quota"),
        ("You've hit your org's monthly spend limit · ask your admin to raise it", "quota"),
        ("You have exceeded your premium request allowance.", "quota"),
        ("You have reached your monthly premium request limit", "quota"),
        ("Free usage exceeded, add credits https://opencode.ai/zen", "quota"),
        ("Your access token could not be refreshed. Please log out.", "authentication"),
        ("Your refresh token was already used.", "authentication"),
        ("You have signed in to another account. Please sign in again.", "authentication"),
        ("Your input exceeds the context window of this model", "too_long"),
        ("Prompt is too long", "too_long"),
        ("Codex ran out of room in the model's context window.", "too_long"),
        ("The input token count (1048577) exceeds the maximum number of tokens", "too_long"),
        ("API Error: Claude's response exceeded the 32000 output token maximum.", "output_limit"),
        ("The prompt is of the wrong type, and the input has no context", "crash"),
        ("The model stopped: you have hit your configured tool call depth limit", "crash"),
        ("Unexpected token < in JSON at position 0", "crash"),
        ("at nX (file:///usr/lib/node_modules/gemini-cli/dist/index.js:429:1187)", "crash"),
        ("at Module._compile (node:internal/modules/cjs/loader:1403:14)", "crash"),
        ("at file:///x/cli.js:401", "crash"),
        ("at cli.js:1:403", "crash"),
        ('File "/x/cli.py", line 401, in run', "crash"),
        ("connect ECONNREFUSED 10.0.0.403", "crash"),
        ("thread 'main' panicked at core/src/mcp.rs:403:17: memory safety", "crash"),
        ("The catalog in /x is damaged", "crash"),
        ('[API Error: {"error":{"code":401,"message":"no"}}]', "authentication"),
        ("Request failed with status code 403.", "authentication"),
        ("HTTP/1.1 403: Forbidden", "authentication"),
        ("Run /login", "authentication"),
        ("API Error: Request rejected (429)", "quota"),
        ("status:429 at index.js:12:7", "quota"),
        ("finishReason: SAFETY", "refused"),
    ],
)
def test_the_words_of_a_program_tell_what_failed(said: str, error_type: str) -> None:
    assert error_type_of(said) == error_type


@pytest.mark.parametrize(
    ("provider", "error_type", "message"),
    [
        (
            printing("Invalid API key · Please run /login\n", code=1),
            "authentication",
            "claude ended with exit code 1: Invalid API key · Please run /login",
        ),
        (
            printing("Claude configuration file not found\n", code=1, stderr="out of memory\n"),
            "crash",
            "claude ended with exit code 1: out of memory",
        ),
        (
            printing("", name="opencode", stderr="Error: Unexpected error, check log file\n"),
            "crash",
            "opencode ended without an answer: Error: Unexpected error, check log file",
        ),
        (
            printing(
                '{"type": "result", "result": "", "is_error": false, "stop_reason": "max_tokens"}'
            ),
            "output_limit",
            "claude used up its output tokens before it wrote an answer: ask for less at once, or "
            "raise its limit.",
        ),
        (
            printing(
                '{"type": "step_finish", "part": {"type": "step-finish", "reason": "length"}}',
                name="opencode",
            ),
            "output_limit",
            "opencode used up its output tokens before it wrote an answer: ask for less at once, "
            "or raise its limit.",
        ),
        (printing(""), "crash", "claude ended without an answer and printed nothing to stderr."),
    ],
)
def test_a_program_that_cannot_begin_tells_why_wherever_it_says_so(
    provider: CommandProvider, error_type: str, message: str
) -> None:
    with pytest.raises(AgentError) as caught:
        provider.answer(Request(prompt="x"))
    assert (caught.value.error_type, caught.value.message) == (error_type, message)


@pytest.mark.parametrize("code", [1, -signal.SIGTERM])
def test_an_answer_stays_one_if_its_program_ends_badly_afterwards(code: int) -> None:
    provider = printing(RESULT, code=code, stderr="MCP server jira: needs-auth")
    reply = provider.answer(Request(prompt="x"))
    assert (reply.text, reply.exit_code) == ("Yes.", code)


@pytest.mark.parametrize(
    ("name", "event", "reason"),
    [
        ("claude", {"subtype": "error_max_turns", "is_error": False}, "(error_max_turns)"),
        (
            "claude",
            {"subtype": "error_max_turns", "is_error": True, "errors": ["Too many turns (1)"]},
            "(Too many turns (1))",
        ),
        ("copilot", {"exitCode": 1}, "ended with exit code 1"),
    ],
)
def test_what_an_agent_says_before_it_gives_up_is_no_answer(
    name: str, event: dict[str, object], reason: str
) -> None:
    said = {
        "claude": {"type": "assistant", "message": {"content": [{"type": "text", "text": "Hm."}]}},
        "copilot": {"type": "assistant.message", "data": {"content": "Hm."}},
    }
    lines = [said[name], {"type": "result", **event}]
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    with pytest.raises(AgentError, match=re.escape(reason)) as caught:
        printing(text, name=name, code=1).answer(Request(prompt="x"))
    assert caught.value.partial is not None
    assert caught.value.partial.text == "Hm."


def test_a_lost_session_may_be_told_as_the_error_of_the_turn() -> None:
    said = {
        "subtype": "error_during_execution",
        "errors": ["No conversation found with session ID: s"],
    }
    result = json.dumps({"type": "result", "is_error": True, **said})
    with pytest.raises(SessionGone):
        printing(result, code=1).answer(Request(prompt="x", session=Session(id="s")))


def test_lines_that_are_no_events_do_not_disturb() -> None:
    assert printing(f"npm warn old\n{{oops\n\n[1]\n{RESULT}\n").answer(
        Request(prompt="x")
    ).text == ("Yes.")


def test_a_program_that_prints_no_events_at_all_has_answered_in_words() -> None:
    assert printing("Just words.\nAnd more.").answer(Request(prompt="x")).text == (
        "Just words.\nAnd more."
    )


@pytest.mark.parametrize("code", [0, 1])
def test_half_a_line_of_json_is_no_answer_and_what_came_before_is_kept(code: int) -> None:
    said = {"type": "assistant", "message": {"content": [{"type": "text", "text": "Half"}]}}
    with pytest.raises(AgentError) as caught:
        printing(f"{json.dumps(said)}\n{RESULT[:20]}", code=code).answer(Request(prompt="x"))
    assert caught.value.error_type == "crash"
    assert caught.value.partial is not None
    assert caught.value.partial.text == "Half"


def test_a_program_that_has_answered_and_does_not_end_has_answered() -> None:
    script = f"import time; print({RESULT!r}, flush=True); time.sleep(60)"
    agent = CommandProvider(
        agent="lingers",
        program=BY_NAME["claude"],
        command=(sys.executable, "-S", "-c", script),
        limits=Limits(timeout_s=3, grace_s=0.2),
    )
    assert agent.answer(Request(prompt="x")).text == "Yes."


def test_an_answer_of_300_000_characters_is_whole() -> None:
    answer = "\N{GRINNING FACE}" * 300_000
    event = json.dumps({"type": "result", "result": answer, "is_error": False})
    assert printing_file(event).text == answer


def printing_file(event: str) -> Any:
    script = "import sys; print(sys.stdin.read())"
    agent = CommandProvider(
        agent="c", program=BY_NAME["claude"], command=(sys.executable, "-S", "-c", script)
    )
    return agent.answer(Request(prompt=event))


def test_the_last_words_of_a_known_program_tell_why() -> None:
    script = "import sys; sys.stderr.write('Error: 401 Unauthorized'); sys.exit(1)"
    command = (sys.executable, "-S", "-c", script)
    for program in PROGRAMS:
        agent = CommandProvider(agent="c", program=program, command=command)
        with pytest.raises(AgentError) as caught:
            agent.answer(Request(prompt="x"))
        assert caught.value.error_type == "authentication"


def test_crewx_is_given_its_agent_and_the_question_in_one_argument() -> None:
    """Written by hand, from CrewX's documentation and source: `crewx query --raw "@agent …"`."""
    script = "import sys; print(sys.argv[1:], len(sys.stdin.read()))"
    agent = CommandProvider(
        agent="c",
        program=BY_NAME["crewx"],
        command=(sys.executable, "-S", "-c", script),
        model="backend",
    )
    reply = agent.answer(Request(prompt="--why?"))
    assert reply.text == "['query', '--raw', '@backend --why?'] 0"


WORDS = [
    *("type", "subtype", "message", "content", "text", "usage", "item", "event", "delta", "part"),
    *("stats", "models", "data", "error", "tokens", "cache", "result", "status", "input", "state"),
    *("total_cost_usd", "name", "is_error", "cost", "reason", "id", "model", "session_id"),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.sampled_from(WORDS), children)
    ),
    max_leaves=8,
)
TYPES = [
    *("stream_event", "assistant", "system", "result", "thread.started", "item.started", "text"),
    *("item.completed", "turn.completed", "turn.failed", "error", "init", "message", "tool_use"),
    *("assistant.turn_start", "assistant.message_delta", "assistant.message", "step_start"),
    *("tool.execution_start", "session.error", "step_finish"),
]


@settings(max_examples=150)
@given(
    program=st.sampled_from([each for each in PROGRAMS if each.parser]),
    kind=st.sampled_from(TYPES),
    event=st.dictionaries(st.sampled_from(WORDS), JSON),
)
def test_no_event_is_strange_enough_to_fail(program: Any, kind: str, event: dict[str, Any]) -> None:
    received = ParsedAnswer(on_progress=lambda progress: None)
    reader = JsonLinesReader(received, program.parser)
    reader.feed(json.dumps({**event, "type": kind}).encode() + b"\n")
    reader.close()
    assert isinstance(received.reply(provider="x", model=None, exit_code=0).text, str)


def test_an_overlong_line_is_dropped_and_the_next_is_parsed() -> None:
    received = ParsedAnswer(on_progress=lambda progress: None)
    parser = BY_NAME["claude"].parser
    assert parser is not None
    reader = JsonLinesReader(received, parser)
    for _ in range(50):
        reader.feed(b"x" * 1_000_000)
    reader.feed(b"\n" + RESULT.encode() + b"\n")
    reader.close()
    assert received.text() == "Yes."
    assert len(reader.stray) <= 65_536
