"""Who can be asked: the agents of the agents file, which may change while the bot runs."""

import logging
import os
import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast

from bot.agents.config.provider_kinds import PROVIDER_KINDS
from bot.agents.config.toml_section import RosterError, TomlSection, nearest
from bot.agents.echo import EchoProvider
from bot.agents.types import Agent, Mode, Provider

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
CHANNEL = re.compile(r"[CDG][A-Z0-9]+")
AGENT_KEYS = ("provider", "providers", "mode", "instructions")

__all__ = ["Roster", "RosterError", "load_roster"]

logger = logging.getLogger("tracebot.agents")


@dataclass(frozen=True, kw_only=True, slots=True)
class RosterContents:
    """What stands in an agents file: the agents by name, the default, and who in which channel."""

    agents: Mapping[str, Agent]
    default: str
    channels: Mapping[str, str]


class Roster:
    """The agents that `read` finds now. May be asked from several threads at once."""

    def __init__(self, read: Callable[[], RosterContents]) -> None:
        self._read = read
        self._contents = read()

    @property
    def agents(self) -> Mapping[str, Agent]:
        return self._contents.agents

    @property
    def default(self) -> str:
        return self._contents.default

    @property
    def channels(self) -> Mapping[str, str]:
        return self._contents.channels

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._contents.agents)

    def __contains__(self, name: object) -> bool:
        return name in self._contents.agents

    def agent(self, name: str) -> Agent:
        """Raises `RosterError`, which says whom there is."""
        agents = self._contents.agents
        if name not in agents:
            raise RosterError(f"There is no agent {name}{nearest(name, agents)}.")
        return agents[name]

    def for_channel(self, channel: str | None) -> Agent:
        now = self._contents
        return now.agents[now.channels.get(channel or "", now.default)]

    def reload(self) -> bool:
        """Read the file again. Whether that went well; else all stays as it was, and is logged."""
        try:
            self._contents = self._read()
        except RosterError as error:
            logger.error("The agents stay as they were: %s", error)
            return False
        logger.info("The agents are now %s.", ", ".join(self.names))
        return True


def load_roster(path: Path | None, *, environ: Mapping[str, str] = os.environ) -> Roster:
    """The agents of the file `path`, else echo alone. Raises `RosterError`.

    `environ` is what the environment of agents is chosen from.
    """
    return Roster(partial(read_agents, path, environ))


def read_agents(path: Path | None, environ: Mapping[str, str]) -> RosterContents:
    """The contents of an agents file. Raises `RosterError`."""
    if path is None:
        echo = Agent(name="echo", providers=(EchoProvider(),))
        return RosterContents(agents={"echo": echo}, default="echo", channels={})
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
    return RosterContents(agents=agents, default=default, channels=_channels(top, agents))


def _read(path: Path) -> TomlSection:
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
    return TomlSection(path=path, source=source, name="", values=values)


def _place(error: tomllib.TOMLDecodeError) -> str:
    """What `tomllib` says, with the line first."""
    found = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", str(error))
    if found is None:
        return f": this is not TOML: {error}."
    where = f", line {found[2]}, column {found[3]}" if found[2] else ", at its end"
    return f"{where}: this is not TOML: {found[1][:1].lower()}{found[1][1:]}."


def _channels(top: TomlSection, agents: Mapping[str, Agent]) -> dict[str, str]:
    channels = top.table("channels")
    for channel in channels.values:
        if not CHANNEL.fullmatch(channel):
            raise channels.error(
                channel, f"{channel} is no channel's id, which looks like C0123456789"
            )
        _check_known(channels, channel, channels.text(channel, ""), agents)
    return {channel: str(name) for channel, name in channels.values.items()}


def _check_known(section: TomlSection, key: str, name: str, agents: Mapping[str, Agent]) -> None:
    if name not in agents:
        raise section.error(key, f"there is no agent {name}{nearest(name, agents)}")


def _agent(section: TomlSection, name: str, environ: Mapping[str, str]) -> Agent:
    if not NAME.fullmatch(name):
        raise section.error(
            None, f"the agent's name {name!r} is to be letters, digits, and . _ - between them"
        )
    providers = tuple(_provider(each, name, environ) for each in _provider_sections(section))
    mode = cast(Mode, section.choice("mode", ("query", "execute"), "query"))
    instructions = section.text("instructions", "") if "instructions" in section.values else ""
    return Agent(name=name, mode=mode, instructions=instructions, providers=providers)


def _provider_sections(section: TomlSection) -> list[TomlSection]:
    """One section a provider: what stands in the agent's table, and over it what in its own."""
    if "providers" not in section.values:
        return [section]
    if "provider" in section.values:
        raise section.error("provider", "there is provider or providers, not both")
    own = section.tables("providers", short="provider")
    shared = {key: value for key, value in section.values.items() if key != "providers"}
    kinds = [PROVIDER_KINDS[_kind(each)] for each in own]
    for each, kind in zip(own, kinds, strict=True):
        each.only(("provider", *kind.keys))
    if "model" in shared and len({_kind(each) for each in own}) > 1:
        raise section.error(
            "model",
            "model is one provider's: write it in providers, such as "
            'providers = [{ provider = "claude", model = "opus" }, "codex"]',
        )
    for key in shared:
        section.known(key, {*AGENT_KEYS, *(key for kind in kinds for key in kind.keys)})
    return [
        replace(each, values={**_of(shared, kind.keys), **each.values})
        for each, kind in zip(own, kinds, strict=True)
    ]


def _of(values: Mapping[str, object], keys: Collection[str]) -> dict[str, object]:
    return {key: value for key, value in values.items() if key in keys}


def _kind(section: TomlSection) -> str:
    return section.choice("provider", tuple(PROVIDER_KINDS), "command")


def _provider(section: TomlSection, name: str, environ: Mapping[str, str]) -> Provider:
    kind = PROVIDER_KINDS[_kind(section)]
    section.only((*AGENT_KEYS, *kind.keys))
    return kind.build(section, name, environ)
