"""Who can be asked: the agents of the agents file. A new provider is a line in `PROVIDERS`."""

import os
import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from bot.agents.agent import Agent, Mode, Provider
from bot.agents.command import CommandProvider, PromptBy
from bot.agents.echo import EchoProvider
from bot.agents.environment import FORBIDDEN, matches
from bot.agents.process import Limits
from bot.agents.section import RosterError, Section, nearest

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
CHANNEL = re.compile(r"[CDG][A-Z0-9]+")

__all__ = ["Roster", "RosterError", "load_roster"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """How one kind of provider is read from the agents file.

    `keys` are those it knows beside the agent's own; `build` is given them, the agent's name, and
    what the environment of agents is chosen from.
    """

    keys: tuple[str, ...]
    build: Callable[[Section, str, Mapping[str, str]], Provider]


@dataclass(frozen=True, kw_only=True, slots=True)
class Roster:
    """The agents by name, who answers by default, and who in which channel."""

    agents: Mapping[str, Agent]
    default: str
    channels: Mapping[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.agents)

    def agent(self, name: str) -> Agent:
        """Raises `RosterError`, which says whom there is."""
        if name not in self.agents:
            raise RosterError(f"There is no agent {name}{nearest(name, self.agents)}.")
        return self.agents[name]

    def for_channel(self, channel: str | None) -> Agent:
        return self.agents[self.channels.get(channel or "", self.default)]


def load_roster(path: Path | None, *, environ: Mapping[str, str] = os.environ) -> Roster:
    """The agents of the file `path`, or echo alone. Raises `RosterError`.

    `environ` is what the environment of agents is chosen from.
    """
    if path is None:
        echo = Agent(name="echo", providers=(EchoProvider(),))
        return Roster(agents={"echo": echo}, default="echo", channels={})
    top = _read(path)
    top.only(("default", "channels", "agents"))
    named = top.table("agents")
    agents = {name: _agent(named.table(name), name, environ) for name in named.values}
    if not agents:
        raise top.error(
            "agents", 'there is no agent: write [agents.echo] and under it provider = "echo"'
        )
    default = top.text("default", next(iter(agents)))
    _check_known(top, "default", default, agents)
    return Roster(agents=agents, default=default, channels=_channels(top, agents))


def _read(path: Path) -> Section:
    try:
        source = path.read_text(encoding="utf-8")
        values = tomllib.loads(source)
    except OSError as error:
        raise RosterError(
            f"{path} cannot be read ({error.strerror}): TRACEBOT_AGENTS names the agents file."
        ) from None
    except UnicodeDecodeError:
        raise RosterError(f"{path} is not UTF-8 text: save it as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise RosterError(f"{path}{_place(error)}") from None
    return Section(path=path, source=source, name="", values=values)


def _place(error: tomllib.TOMLDecodeError) -> str:
    """What `tomllib` says, with the line first."""
    found = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", str(error))
    if found is None:
        return f": this is not TOML: {error}."
    where = f", line {found[2]}, column {found[3]}" if found[2] else ", at its end"
    return f"{where}: this is not TOML: {found[1][:1].lower()}{found[1][1:]}."


def _channels(top: Section, agents: Mapping[str, Agent]) -> dict[str, str]:
    channels = top.table("channels")
    for channel in channels.values:
        if not CHANNEL.fullmatch(channel):
            raise channels.error(
                channel, f"{channel} is no channel's id, which looks like C0123456789"
            )
        _check_known(channels, channel, channels.text(channel, ""), agents)
    return {channel: str(name) for channel, name in channels.values.items()}


def _check_known(section: Section, key: str, name: str, agents: Mapping[str, Agent]) -> None:
    if name not in agents:
        raise section.error(key, f"there is no agent {name}{nearest(name, agents)}")


def _agent(section: Section, name: str, environ: Mapping[str, str]) -> Agent:
    if not NAME.fullmatch(name):
        raise section.error(
            None, f"the agent's name {name!r} is to be letters, digits, and . _ - between them"
        )
    providers = tuple(_provider(each, name, environ) for each in _provider_sections(section))
    mode = cast(Mode, section.choice("mode", ("query", "execute"), "query"))
    return Agent(name=name, mode=mode, providers=providers)


def _provider_sections(section: Section) -> list[Section]:
    """One section a provider: what stands in the agent's table, and over it what in its own."""
    if "providers" not in section.values:
        return [section]
    if "provider" in section.values:
        raise section.error("provider", "there is provider or providers, not both")
    own = section.tables("providers", short="provider")
    shared = {key: value for key, value in section.values.items() if key != "providers"}
    kinds = [PROVIDERS[_kind(each)] for each in own]
    for key in shared:
        section.known(key, {*AGENT_KEYS, *(key for kind in kinds for key in kind.keys)})
    return [
        replace(each, values={**_of(shared, kind.keys), **each.values})
        for each, kind in zip(own, kinds, strict=True)
    ]


def _of(values: Mapping[str, object], keys: Collection[str]) -> dict[str, object]:
    return {key: value for key, value in values.items() if key in keys}


def _kind(section: Section) -> str:
    return section.choice("provider", tuple(PROVIDERS), "command")


def _provider(section: Section, name: str, environ: Mapping[str, str]) -> Provider:
    kind = PROVIDERS[_kind(section)]
    section.only((*AGENT_KEYS, *kind.keys))
    return kind.build(section, name, environ)


def _echo(section: Section, name: str, environ: Mapping[str, str]) -> Provider:
    return EchoProvider()


def _command(section: Section, name: str, environ: Mapping[str, str]) -> Provider:
    command = section.texts("command")
    if not command:
        raise section.error("command", 'command is missing: write command = ["claude", "-p"]')
    _refuse_secrets(section)
    return CommandProvider(
        agent=name,
        command=(os.path.expanduser(command[0]), *command[1:]),
        working_directory=_folder(section),
        environment=section.mapping("environment"),
        pass_environment=section.texts("pass_environment"),
        query_arguments=section.texts("query_arguments"),
        execute_arguments=section.texts("execute_arguments"),
        prompt=cast(PromptBy, section.choice("prompt", ("stdin", "argument"), "stdin")),
        limits=Limits(timeout_s=section.seconds("timeout", Limits().timeout_s)),
        environ=environ,
    )


def _openai(section: Section, name: str, environ: Mapping[str, str]) -> Provider:
    from bot.agents.http_model import build

    return build(section, name, environ, dialect="openai")


def _anthropic(section: Section, name: str, environ: Mapping[str, str]) -> Provider:
    from bot.agents.http_model import build

    return build(section, name, environ, dialect="anthropic")


def _folder(section: Section) -> Path:
    """Relative to the agents file, so that it does not matter where the bot was started."""
    home = section.path.absolute().parent
    return home / Path(section.text("working_directory", str(home))).expanduser()


def _refuse_secrets(section: Section) -> None:
    for key, names in (
        ("environment", tuple(section.mapping("environment"))),
        ("pass_environment", section.texts("pass_environment")),
    ):
        for name in names:
            if matches(name.upper(), FORBIDDEN):
                raise section.error(key, f"{name} is the bot's own and is given to no agent")


AGENT_KEYS = ("provider", "providers", "mode")

HTTP_KEYS = ("model", "base_url", "api_key_env", "system", "max_tokens", "temperature", "timeout")

PROVIDERS: Mapping[str, Kind] = {
    "command": Kind(
        keys=(
            "command",
            "timeout",
            "working_directory",
            "environment",
            "pass_environment",
            "query_arguments",
            "execute_arguments",
            "prompt",
        ),
        build=_command,
    ),
    "openai": Kind(keys=HTTP_KEYS, build=_openai),
    "anthropic": Kind(keys=HTTP_KEYS, build=_anthropic),
    "echo": Kind(keys=(), build=_echo),
}
