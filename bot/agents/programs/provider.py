"""A program as a provider: it takes a prompt and prints an answer."""

import hashlib
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bot.agents.cancellation import Cancellation
from bot.agents.errors import (
    AgentError,
    AgentNotFound,
)
from bot.agents.programs.catalog import COMMAND, Program, PromptVia
from bot.agents.programs.conclusion import Ended
from bot.agents.programs.output.answer import ParsedAnswer
from bot.agents.programs.output.reader import JsonLinesReader, OutputReader, TextReader
from bot.agents.programs.process import supervisor
from bot.agents.programs.process.confinement import Confinement, ConfinementError
from bot.agents.programs.process.environment import child_environment
from bot.agents.programs.process.supervisor import Limits
from bot.agents.programs.process.temporary import NoTemporaryFolder
from bot.agents.programs.prompt import fitting, render
from bot.agents.programs.telemetry import Telemetry
from bot.agents.programs.workplace import Workplaces
from bot.agents.types import Mode, Reply, Request, SessionUse

MAX_ARGUMENT = 131_071
"""Bytes. Linux starts no program with a longer argument (MAX_ARG_STRLEN, with the final NUL)."""

NOTHING_RUNS_IT = (
    "is there, but not what runs it: the interpreter of its first line, or the C library for which "
    "it was built (glibc or musl)"
)
"""Of a program for which the system says that there is no such file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandProvider:
    """A provider that starts `command` for each request to `agent`.

    `mode_arguments` replace those of `program` for a mode. The child's environment is chosen from
    `environ`. Without a `working_directory` it works in `workspace`, without that in a temporary
    folder. If `sessions` is `resume`, it can go on with an earlier session.
    """

    agent: str
    command: tuple[str, ...]
    program: Program = COMMAND
    model: str | None = None
    working_directory: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    pass_environment: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    mode_arguments: Mapping[Mode, tuple[str, ...]] = field(default_factory=dict)
    prompt: PromptVia | None = None
    limits: Limits = field(default_factory=Limits)
    confinement: Confinement = field(default_factory=Confinement)
    workspace: Path | None = None
    sessions: SessionUse = "resume"
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    @property
    def name(self) -> str:
        return self.program.name

    @property
    def resumes(self) -> bool:
        """Return True if it goes on with its sessions. In a temporary folder no program finds one.

        The folder of a `user` is its home.
        """
        lasting = self.working_directory or self.confinement.user or self.workspace
        return self.sessions == "resume" and bool(self.program.resume_arguments and lasting)

    def session_settings(self, request: Request) -> str | None:
        if not self.resumes:
            return None
        settings = (
            *(self.program.name, self.command, self.model, request.mode, request.instructions),
            *(self.working_directory, self.workspace, self.confinement, self.arguments),
            sorted(self.mode_arguments.items()),
            # Only their hash is stored: they can contain keys.
            sorted(self.environment.items()),
            self.pass_environment,
        )
        return hashlib.sha256(repr(settings).encode()).hexdigest()

    def answer(self, request: Request) -> Reply:
        environment, telemetry = self.environment_for(request)
        answer = ParsedAnswer(on_progress=request.on_progress, started_ns=time.monotonic_ns())
        reader = self._reader(answer)

        def on_output(data: bytes) -> bool:
            reader.feed(data)
            return not answer.hopeless

        try:
            with self.workplaces.prepare(environment, request.files, request.mode) as workplace:
                request = replace(request, files=workplace.files)
                arguments, stdin = self._invocation(request, telemetry)
                outcome = supervisor.run(
                    arguments,
                    stdin=stdin,
                    environment=workplace.environment,
                    folder=workplace.folder,
                    restrictions=workplace.restrictions,
                    limits=self.limits,
                    cancellation=request.cancellation,
                    on_output=on_output,
                )
        except (ConfinementError, NoTemporaryFolder) as error:
            raise AgentError("not_started", f"{self.agent} was not started: {error}.") from error
        except OSError as error:
            raise self._not_started(error) from error
        reader.close()
        if request.session is not None and self.program.counts_sessions:
            answer.subtract(request.session)
        return Ended(
            agent=self.agent,
            program=self.program,
            model=self.model,
            limits=self.limits,
            request=request,
            outcome=outcome,
            answer=answer,
        ).reply()

    @property
    def workplaces(self) -> Workplaces:
        return Workplaces(
            program=self.program,
            command=self.command,
            confinement=self.confinement,
            working_directory=self.working_directory,
            workspace=self.workspace,
        )

    def check(self, mode: Mode) -> None:
        """Raise `ConfinementError` if the program cannot be confined as configured."""
        environment, _ = self.environment_for(Request(prompt=""))
        self.workplaces.check(environment, mode)

    def version(self, *, timeout_s: float) -> str:
        """Return what the program prints with `--version`. Raises `ConfinementError`, `OSError`."""
        environment, _ = self.environment_for(Request(prompt=""))
        output = bytearray()

        def keep(data: bytes) -> bool:
            output.extend(data)
            return True

        # In a temporary folder: asking for a version creates nothing else.
        asking = replace(self, working_directory=None, workspace=None).workplaces
        with asking.prepare(environment, (), "query", create=False) as workplace:
            supervisor.run(
                (*self.command, "--version"),
                stdin=b"",
                environment=workplace.environment,
                folder=workplace.folder,
                restrictions=workplace.restrictions,
                limits=Limits(timeout_s=timeout_s),
                cancellation=Cancellation(),
                on_output=keep,
            )
        return output.decode("utf-8", "replace")

    def path(self) -> str | None:
        """Return where the program is, None if it cannot be found."""
        environment, _ = self.environment_for(Request(prompt=""))
        return shutil.which(self.command[0], path=environment.get("PATH"))

    def _reader(self, answer: ParsedAnswer) -> OutputReader:
        parser = self.program.parser
        return TextReader(answer) if parser is None else JsonLinesReader(answer, parser)

    def environment_for(self, request: Request) -> tuple[dict[str, str], Telemetry]:
        """Return the child's environment, and the telemetry that is part of it."""
        environment = child_environment(
            {**self.environ, **self.confinement.variables()},
            agent=self.agent,
            request=request,
            passed=(*self.program.pass_environment, *self.pass_environment),
            own=self.environment,
        )
        if request.collector is None:
            return environment, Telemetry()
        telemetry = self.program.telemetry(request.collector, environment)
        return {**environment, **telemetry.environment}, telemetry

    def _invocation(self, request: Request, telemetry: Telemetry) -> tuple[list[str], bytes]:
        """Return the argument list and the input; the prompt is in one of them."""
        program = self.program
        mode_arguments = {**program.mode_arguments, **self.mode_arguments}
        if self.confinement.has_landlock:
            confined = program.confined_mode_arguments
            mode_arguments = {**program.mode_arguments, **confined, **self.mode_arguments}
        model = program.model_arguments if self.model is not None else ()
        arguments = [
            *self.command,
            *program.arguments,
            *mode_arguments.get(request.mode, ()),
            *(part.format(model=self.model) for part in model),
            *telemetry.arguments,
            *self._file_arguments(request.files),
            *self.arguments,
            *self._resume_arguments(request),
            *program.final_arguments,
        ]
        prompt = program.address(self.model, render(request))
        if (self.prompt or program.prompt) == "stdin":
            return arguments, f"{prompt}\n".encode("utf-8", "replace")
        text = prompt.replace("\0", "").encode("utf-8", "replace")
        return [*arguments, *program.before_prompt, fitting(text, MAX_ARGUMENT).decode()], b""

    def _resume_arguments(self, request: Request) -> list[str]:
        if request.session is None:
            return []
        return [part.format(session=request.session.id) for part in self.program.resume_arguments]

    def _file_arguments(self, files: Sequence[Path]) -> list[str]:
        """Return arguments that let the program read the files, each once."""
        template = self.program.file_argument
        if template is None:
            return []
        return list(dict.fromkeys(template.format(file=path, folder=path.parent) for path in files))

    def _not_started(self, error: OSError) -> AgentError:
        if (folder := self.workplaces.closed) is not None:
            return AgentNotFound(
                f"{self.agent} cannot work in {folder}, which is not a folder that the bot can "
                "enter: set working_directory in the agents file."
            )
        if isinstance(error, FileNotFoundError) and os.path.isabs(path := self.path() or ""):
            return AgentNotFound(f"{self.agent} cannot start: {path} {NOTHING_RUNS_IT}.")
        if isinstance(error, FileNotFoundError):
            return AgentNotFound(
                f"{self.agent} needs the program {self.command[0]}, which cannot be found: "
                "install it, or set command to its full path in the agents file."
            )
        reason = error.strerror
        if isinstance(error, PermissionError) and self.confinement.is_on:
            reason = f"{reason}. If it can be executed, name its folder in read in the agents file"
        return AgentError(
            "not_started", f"{self.agent} could not start {self.command[0]}: {reason}."
        )
