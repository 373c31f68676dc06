"""Any program that takes a prompt and prints an answer."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bot.agents import process
from bot.agents.agent import (
    AgentCancelled,
    AgentCrashed,
    AgentError,
    AgentNotFound,
    AgentTimeout,
    Reply,
    Request,
)
from bot.agents.environment import child_environment
from bot.agents.process import Limits, Outcome
from bot.agents.prompt import render

PromptBy = Literal["stdin", "argument"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandProvider:
    """Starts `command` for each question to `agent`.

    `environ` is what its environment is chosen from.
    """

    agent: str
    command: tuple[str, ...]
    name: str = "command"
    model: str | None = None
    working_directory: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    pass_environment: tuple[str, ...] = ()
    query_arguments: tuple[str, ...] = ()
    execute_arguments: tuple[str, ...] = ()
    prompt: PromptBy = "stdin"
    limits: Limits = field(default_factory=Limits)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    def answer(self, request: Request) -> Reply:
        arguments, stdin = self._invocation(request)
        environment = child_environment(
            self.environ,
            agent=self.agent,
            request=request,
            passed=self.pass_environment,
            own=self.environment,
        )
        try:
            outcome = process.run(
                arguments,
                stdin=stdin,
                environment=environment,
                folder=self.working_directory,
                limits=self.limits,
                cancellation=request.cancellation,
            )
        except OSError as error:
            raise self._not_started(error) from error
        if outcome.stopped == "cancelled":
            raise AgentCancelled(request.cancellation.by or "somebody", stderr=outcome.stderr)
        return Reply(text=self._text(outcome), provider=self.name, exit_code=outcome.exit_code)

    def _invocation(self, request: Request) -> tuple[list[str], bytes]:
        """The argument list and the input: the prompt is in one of the two."""
        by_mode = {"query": self.query_arguments, "execute": self.execute_arguments}
        arguments = [*self.command, *by_mode[request.mode]]
        prompt = render(request)
        if self.prompt == "stdin":
            return arguments, f"{prompt}\n".encode("utf-8", "replace")
        text = prompt.replace("\0", "").encode("utf-8", "replace").decode()
        return [*arguments, "--", text], b""

    def _text(self, outcome: Outcome) -> str:
        if outcome.stopped == "timeout":
            raise AgentTimeout(
                f"{self.agent} did not answer within {self.limits.timeout_s:g} s and was stopped: "
                "give it more time in the agents file, or ask for less.",
                stderr=outcome.stderr,
            )
        if outcome.stopped == "flood":
            raise AgentCrashed(
                f"{self.agent} printed more than {self.limits.flood_bytes} bytes and was stopped.",
                stderr=outcome.stderr,
            )
        if outcome.exit_code:
            raise AgentCrashed(
                f"{self.agent} {process.ending(outcome.exit_code)}: its trace has its last words.",
                exit_code=outcome.exit_code,
                stderr=outcome.stderr,
            )
        text = outcome.stdout.strip()
        if not text:
            raise AgentError(
                "empty",
                f"{self.agent} ended without an answer: its trace has what it said on stderr.",
                exit_code=outcome.exit_code,
                stderr=outcome.stderr,
            )
        return f"{text}\n[The answer was longer and is cut here.]" if outcome.truncated else text

    def _not_started(self, error: OSError) -> AgentError:
        if self.working_directory is not None and not self.working_directory.is_dir():
            return AgentNotFound(
                f"{self.agent} is to work in {self.working_directory}, which is no folder: "
                "set working_directory in the agents file."
            )
        if isinstance(error, FileNotFoundError):
            return AgentNotFound(
                f"{self.agent} needs the program {self.command[0]}, which is not found: "
                "install it, or name its full path in the agents file."
            )
        return AgentError(
            "not_started", f"{self.agent} could not start {self.command[0]}: {error.strerror}."
        )
