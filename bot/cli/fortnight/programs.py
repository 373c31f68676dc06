"""Stand-ins for the programs of agents: they print what the story says, as the real ones would."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from bot.agents.config.roster import Roster, RosterContents, read_agents
from bot.agents.programs.output.answer import ParsedAnswer
from bot.agents.programs.output.reader import Event, Parser
from bot.agents.programs.process.bot_files import BotFiles
from bot.agents.programs.provider import CommandProvider
from bot.agents.types import Agent, Provider
from bot.cli.fortnight.clock import StoryClock
from bot.cli.fortnight.story import TIMEOUT_S, Attempt

AFTER = "after_s"
"""The key of an event that says how many seconds after the one before it is printed."""

CODEX = '{ provider = "codex", model = "gpt-5.2-codex" }'

AGENTS = f"""\
default = "claude"

[agents.claude]
providers = ["claude", {CODEX}]
isolation = "off"
timeout = {TIMEOUT_S}

[agents.codex]
providers = [{CODEX}]
isolation = "off"
timeout = {TIMEOUT_S}

[agents.gemini]
provider = "gemini"
isolation = "off"
timeout = {TIMEOUT_S}
"""

PROGRAM = """\
#!/bin/sh
# Plays what the story says this program does next.
cd "${0%/*}" && cat "${0##*/}.out" && cat "${0##*/}.err" >&2 && . "./${0##*/}.end"
"""

ENDINGS = {"answer": "exit 0", "overloaded": "exit 1", "crash": "exit 1", "timeout": "exec sleep 9"}

CRASH = "Error: ENOSPC: no space left on device, write '/var/lib/{program}/session.json'\n"
OVERLOADED = "API Error: 529 Overloaded"


class Programs:
    """The programs of the story's agents, in a folder, and what each of them does next."""

    def __init__(self, folder: Path, clock: StoryClock) -> None:
        self._folder = folder
        self._clock = clock
        folder.mkdir()
        for name in TRANSCRIPTS:
            program = folder / name
            program.write_text(PROGRAM)
            program.chmod(0o700)

    def roster(self) -> Roster:
        """Return the agents of the story, from an agents file as people would write it."""
        file = self._folder / "agents.toml"
        file.write_text(AGENTS)
        return Roster(partial(self._read, file))

    def will(self, attempt: Attempt) -> None:
        """Let the program do this when it is asked next."""
        lines = [json.dumps(each) for each in TRANSCRIPTS[attempt.program](attempt)]
        crash = CRASH.format(program=attempt.program) if attempt.ending == "crash" else ""
        for suffix, text in (
            ("out", "".join(f"{line}\n" for line in lines)),
            ("err", crash),
            ("end", ENDINGS[attempt.ending]),
        ):
            (self._folder / f"{attempt.program}.{suffix}").write_text(text)

    def command(self, name: str, exit_code: int) -> Path:
        """Create a command of a shell; return the pipe whose end it waits for."""
        program = self._folder / name
        pipe = program.with_suffix(".pipe")
        program.write_text(f"#!/bin/sh\nread -r _ < {pipe}\nexit {exit_code}\n")
        program.chmod(0o700)
        if not pipe.exists():
            os.mkfifo(pipe)
        return pipe

    def _read(self, file: Path) -> RosterContents:
        environ = {"PATH": "/usr/bin:/bin", "HOME": str(self._folder)}
        contents = read_agents(file, environ, BotFiles())
        return replace(
            contents,
            agents={name: self._with_programs(agent) for name, agent in contents.agents.items()},
        )

    def _with_programs(self, agent: Agent) -> Agent:
        return replace(agent, providers=tuple(map(self._with_program, agent.providers)))

    def _with_program(self, provider: Provider) -> Provider:
        assert isinstance(provider, CommandProvider)
        program = provider.program
        assert program.parser is not None
        return replace(
            provider,
            command=(str(self._folder / program.name),),
            program=replace(program, parser=self._timed(program.parser)),
        )

    def _timed(self, parser: Parser) -> Parser:
        """Return the parser of a program whose events say how long they took."""

        def parse(event: Event, answer: ParsedAnswer) -> None:
            after = event.get(AFTER)
            if isinstance(after, float):
                self._clock.pass_seconds(after)
            parser(event, answer)

        return parse


Transcript = Iterator[dict[str, object]]


def _claude(attempt: Attempt) -> Transcript:
    """Yield the events of `claude -p --output-format stream-json`."""
    yield {"type": "system", "subtype": "init", "model": attempt.model, "session_id": "demo"}
    yield {"type": "system", "subtype": "status", AFTER: float(attempt.first_s)}
    if attempt.aloud:
        yield _claude_says(attempt.aloud)
    for number, tool in enumerate(attempt.tools):
        key = {"file_path": tool.about} if tool.name == "Read" else {"command": tool.about}
        use = {"type": "tool_use", "id": f"t{number}", "name": tool.name, "input": key}
        message = {"id": "msg_1", "model": attempt.model, "content": [use]}
        yield {"type": "assistant", "message": message}
        result = {
            "type": "tool_result",
            "tool_use_id": f"t{number}",
            "content": tool.output,
            "is_error": tool.failed,
        }
        yield {"type": "user", "message": {"content": [result]}, AFTER: float(tool.seconds)}
    if attempt.ending in ("answer", "overloaded"):
        for piece in _pieces(attempt.text):
            yield _claude_says(piece)
        yield _claude_result(attempt)
    else:
        yield _silence(attempt)


def _claude_says(text: str) -> dict[str, object]:
    return {"type": "stream_event", "event": {"delta": {"type": "text_delta", "text": text}}}


def _claude_result(attempt: Attempt) -> dict[str, object]:
    failed = attempt.ending == "overloaded"
    return {
        "type": "result",
        "is_error": failed,
        "api_error_status": 529 if failed else None,
        "result": OVERLOADED if failed else attempt.text,
        "num_turns": len(attempt.tools) + 1,
        "stop_reason": "end_turn",
        "total_cost_usd": None if attempt.cost is None else attempt.cost / 1e6,
        "usage": {
            "input_tokens": attempt.input_tokens - attempt.cached_tokens,
            "cache_read_input_tokens": attempt.cached_tokens,
            "output_tokens": attempt.output_tokens,
        },
        AFTER: float(attempt.writing_s),
    }


def _codex(attempt: Attempt) -> Transcript:
    """Yield the events of `codex exec --json`."""
    yield {"type": "thread.started", "thread_id": "demo"}
    yield {"type": "turn.started", AFTER: float(attempt.first_s)}
    for number, tool in enumerate(attempt.tools):
        item = {"id": f"i{number}", "type": "command_execution", "command": tool.about}
        yield {"type": "item.started", "item": item}
        done = {"aggregated_output": tool.output, "exit_code": int(tool.failed)}
        yield {"type": "item.completed", "item": item | done, AFTER: float(tool.seconds)}
    if attempt.ending == "answer":
        said = {"id": "answer", "type": "agent_message", "text": attempt.text}
        yield {"type": "item.completed", "item": said}
        usage = {
            "input_tokens": attempt.input_tokens,
            "cached_input_tokens": attempt.cached_tokens,
            "output_tokens": attempt.output_tokens,
        }
        yield {"type": "turn.completed", "usage": usage, AFTER: float(attempt.writing_s)}
    elif attempt.ending == "overloaded":
        error = {"message": OVERLOADED}
        yield {"type": "turn.failed", "error": error, AFTER: float(attempt.writing_s)}
    else:
        yield _silence(attempt)


def _gemini(attempt: Attempt) -> Transcript:
    """Yield the events of `gemini --output-format stream-json`."""
    yield {"type": "init", "session_id": "demo"}
    yield {"type": "waiting", AFTER: float(attempt.first_s)}
    for number, tool in enumerate(attempt.tools):
        use = {"tool_id": f"t{number}", "tool_name": tool.name}
        yield {"type": "tool_use", **use, "parameters": {"query": tool.about}}
        status = "error" if tool.failed else "success"
        done = {"type": "tool_result", **use, "output": tool.output, "status": status}
        yield {**done, AFTER: float(tool.seconds)}
    if attempt.ending != "answer":
        yield _silence(attempt)
        return
    for piece in _pieces(attempt.text):
        yield {"type": "message", "role": "assistant", "content": piece}
    tokens = {
        "input_tokens": attempt.input_tokens,
        "output_tokens": attempt.output_tokens,
        "total_tokens": attempt.input_tokens + attempt.output_tokens,
        "cached": attempt.cached_tokens,
    }
    stats = {**tokens, "models": {attempt.model: tokens}}
    yield {"type": "result", "status": "success", "stats": stats, AFTER: float(attempt.writing_s)}


def _silence(attempt: Attempt) -> dict[str, object]:
    """Return an event that no program has: it lets pass the time in which nothing is printed."""
    last_s = attempt.writing_s
    if attempt.ending == "timeout":
        last_s = TIMEOUT_S - attempt.first_s - sum(tool.seconds for tool in attempt.tools)
    return {"type": "silence", AFTER: float(last_s)}


def _pieces(text: str) -> list[str]:
    """Return a text as it streams: line by line."""
    return text.splitlines(keepends=True)


TRANSCRIPTS = {"claude": _claude, "codex": _codex, "gemini": _gemini}
