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
from bot.agents.programs.process.environment import FORBIDDEN, matches
from bot.agents.programs.process.supervisor import Limits
from bot.agents.programs.provider import CommandProvider
from bot.agents.types import Mode, Provider


@dataclass(frozen=True, kw_only=True, slots=True)
class ProviderKind:
    """How a kind of provider is read from the agents file.

    `keys` are its own, beside those of every agent. `build` takes the table, the agent's name and
    the environment from which the agent's own is chosen.
    """

    keys: tuple[str, ...]
    build: Callable[[TomlSection, str, Mapping[str, str]], Provider]


def _echo(section: TomlSection, name: str, environ: Mapping[str, str]) -> Provider:
    return EchoProvider()


def _program(
    program: Program, section: TomlSection, name: str, environ: Mapping[str, str]
) -> Provider:
    command = section.texts("command") or program.command
    if not command:
        raise section.error(
            "command", 'the command is missing: write command = ["sort", "--unique"]'
        )
    _refuse_secrets(section)
    prompt = section.choice("prompt", ("stdin", "argument"), program.prompt)
    return CommandProvider(
        agent=name,
        program=program,
        command=(os.path.expanduser(command[0]), *command[1:]),
        model=section.text("model", "") if "model" in section.values else None,
        working_directory=_folder(section),
        environment=section.mapping("environment"),
        pass_environment=section.texts("pass_environment"),
        arguments=section.texts("arguments"),
        mode_arguments=_by_mode(section),
        prompt=cast(PromptVia, prompt),
        limits=Limits(timeout_s=section.seconds("timeout", Limits().timeout_s)),
        environ=environ,
    )


def _by_mode(section: TomlSection) -> dict[Mode, tuple[str, ...]]:
    keys: dict[Mode, str] = {"query": "query_arguments", "execute": "execute_arguments"}
    return {mode: section.texts(key) for mode, key in keys.items() if key in section.values}


def _http(api: str, section: TomlSection, name: str, environ: Mapping[str, str]) -> Provider:
    # Imported late: httpx takes 0.1 s, and an agents file of programs alone does without it.
    from bot.agents.config.http_provider import http_provider

    return http_provider(section, name, environ, api=api)


def _folder(section: TomlSection) -> Path:
    """Return the working directory, relative to the agents file: the bot may start anywhere."""
    home = section.path.absolute().parent
    return home / Path(section.text("working_directory", str(home))).expanduser()


def _refuse_secrets(section: TomlSection) -> None:
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
)
PROGRAM_KEYS = ("model", *(key for key in COMMAND_KEYS if key != "prompt"))

HTTP_KEYS = ("model", "base_url", "api_key_env", "max_tokens", "temperature", "timeout")

PROVIDER_KINDS: Mapping[str, ProviderKind] = {
    "command": ProviderKind(keys=COMMAND_KEYS, build=partial(_program, COMMAND)),
    "openai": ProviderKind(keys=HTTP_KEYS, build=partial(_http, "openai")),
    "anthropic": ProviderKind(keys=HTTP_KEYS, build=partial(_http, "anthropic")),
    "echo": ProviderKind(keys=(), build=_echo),
    **{
        each.name: ProviderKind(keys=PROGRAM_KEYS, build=partial(_program, each))
        for each in PROGRAMS
    },
}
