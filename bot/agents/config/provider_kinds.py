"""The kinds of providers that the agents file can name. A new one is a line in `PROVIDER_KINDS`."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

from bot.agents.config.toml_section import TomlSection
from bot.agents.echo import EchoProvider
from bot.agents.programs.catalog import COMMAND, PROGRAMS, Program, PromptVia
from bot.agents.programs.process.bot_files import BotFiles
from bot.agents.programs.process.confinement import Confinement, Isolation
from bot.agents.programs.process.environment import FORBIDDEN, matches
from bot.agents.programs.process.supervisor import Limits
from bot.agents.programs.provider import CommandProvider
from bot.agents.types import Mode, Provider, SessionUse


@dataclass(frozen=True, kw_only=True, slots=True)
class ProviderKind:
    """How a kind of provider is read from the agents file.

    `keys` are its own, beside those of every agent. `build` takes the table, the agent's name and
    its context.
    """

    keys: tuple[str, ...]
    build: Callable[[TomlSection, str, "ProviderContext"], Provider]


@dataclass(frozen=True, kw_only=True, slots=True)
class ProviderContext:
    """The environment from which an agent's own is chosen, and files that it must not reach."""

    environ: Mapping[str, str]
    files: BotFiles


def _echo(section: TomlSection, name: str, context: ProviderContext) -> Provider:
    return EchoProvider()


def _program(
    program: Program, section: TomlSection, name: str, context: ProviderContext
) -> Provider:
    command = section.texts("command") or program.command
    if not command or not command[0]:
        raise section.error(
            "command", 'the command is missing: write command = ["sort", "--unique"]'
        )
    _check_variables(section)
    prompt = section.choice("prompt", ("stdin", "argument"), program.prompt)
    return CommandProvider(
        agent=name,
        program=program,
        command=(os.path.expanduser(command[0]), *command[1:]),
        model=section.text("model", "") if "model" in section.values else None,
        working_directory=_folder(section),
        workspace=context.files.workspace(name),
        confinement=_confinement(section, context),
        environment=section.mapping("environment"),
        pass_environment=section.texts("pass_environment"),
        arguments=section.texts("arguments"),
        mode_arguments=_by_mode(section),
        prompt=cast(PromptVia, prompt),
        sessions=cast(SessionUse, section.choice("sessions", ("resume", "fresh"), "resume")),
        limits=Limits(timeout_s=section.seconds("timeout", Limits().timeout_s)),
        environ=context.environ,
    )


def _confinement(section: TomlSection, context: ProviderContext) -> Confinement:
    isolation = cast(Isolation, section.choice("isolation", ("landlock", "off"), "landlock"))
    network = section.boolean("network", default=True)
    if isolation == "off" and not network:
        raise section.error("network", 'network = false needs isolation = "landlock"')
    return Confinement(
        isolation=isolation,
        user=section.text("user", "") if "user" in section.values else None,
        read=tuple(_path(section, "read", each) for each in section.texts("read")),
        write=tuple(_path(section, "write", each) for each in section.texts("write")),
        network=network,
        unix_sockets=section.boolean("unix_sockets", default=False),
        private=context.files,
    )


def _by_mode(section: TomlSection) -> dict[Mode, tuple[str, ...]]:
    keys: dict[Mode, str] = {"query": "query_arguments", "execute": "execute_arguments"}
    return {mode: section.texts(key) for mode, key in keys.items() if key in section.values}


def _http(api: str, section: TomlSection, name: str, context: ProviderContext) -> Provider:
    # Imported late: httpx takes 0.1 s, and an agents file of programs alone does without it.
    from bot.agents.config.http_provider import http_provider

    return http_provider(section, name, context.environ, api=api)


def _folder(section: TomlSection) -> Path | None:
    if "working_directory" not in section.values:
        return None
    return _path(section, "working_directory", section.text("working_directory", "~/src"))


def _path(section: TomlSection, key: str, text: str) -> Path:
    """Return a path relative to the agents file: the bot may start anywhere."""
    try:
        return section.path.absolute().parent / Path(text).expanduser()
    except RuntimeError:
        raise section.error(
            key, f"{text} is in the home of a user whom this machine does not have"
        ) from None


def _check_variables(section: TomlSection) -> None:
    for name in section.mapping("environment"):
        if not name or "=" in name or "\0" in name:
            raise section.error("environment", f"{name!r} is not a name that a variable can have")
    for key, names in (
        ("environment", tuple(section.mapping("environment"))),
        ("pass_environment", section.texts("pass_environment")),
    ):
        for name in names:
            if matches(name.upper(), FORBIDDEN):
                raise section.error(
                    key, f"{name} is a secret of the bot and is never given to an agent: remove it"
                )


COMMAND_KEYS = (
    "command",
    "arguments",
    "query_arguments",
    "execute_arguments",
    "prompt",
    "timeout",
    "working_directory",
    "environment",
    "pass_environment",
    "isolation",
    "user",
    "read",
    "write",
    "network",
    "unix_sockets",
)
PROGRAM_KEYS = ("model", *(key for key in COMMAND_KEYS if key != "prompt"))
SESSION_KEYS = (*PROGRAM_KEYS, "sessions")

HTTP_KEYS = ("model", "base_url", "api_key_env", "max_tokens", "temperature", "timeout")

PROVIDER_KINDS: Mapping[str, ProviderKind] = {
    "command": ProviderKind(keys=COMMAND_KEYS, build=partial(_program, COMMAND)),
    "openai": ProviderKind(keys=HTTP_KEYS, build=partial(_http, "openai")),
    "anthropic": ProviderKind(keys=HTTP_KEYS, build=partial(_http, "anthropic")),
    "echo": ProviderKind(keys=(), build=_echo),
    **{
        each.name: ProviderKind(
            keys=SESSION_KEYS if each.resume_arguments else PROGRAM_KEYS,
            build=partial(_program, each),
        )
        for each in PROGRAMS
    },
}
