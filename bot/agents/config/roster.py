"""The agents of the agents file, which can be read again while the bot runs."""

import logging
import os
import re
import tomllib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast

from bot.agents.config.access_rules import agent_rule, check_access
from bot.agents.config.file_alerts import FileAlert, file_alerts
from bot.agents.config.provider_kinds import PROVIDER_KINDS, ProviderContext
from bot.agents.config.toml_section import RosterError, TomlSection, nearest
from bot.agents.echo import EchoProvider
from bot.agents.programs.process.bot_files import BotFiles
from bot.agents.programs.process.confinement import ConfinementError
from bot.agents.programs.provider import CommandProvider
from bot.agents.types import Agent, Mode, Provider

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
CHANNEL = re.compile(r"[CDG][A-Z0-9]+")
AGENT_KEYS = ("provider", "providers", "mode", "instructions", "access")

Check = Callable[[Iterable[Agent]], object]

__all__ = ["Roster", "RosterError", "load_roster"]

logger = logging.getLogger("tracebot.agents")


@dataclass(frozen=True, kw_only=True, slots=True)
class RosterContents:
    """The contents of an agents file: agents by name, the default one, channel → agent, alerts."""

    agents: Mapping[str, Agent]
    default: str
    channels: Mapping[str, str]
    alerts: tuple[FileAlert, ...] = ()


class Roster:
    """The agents that `read` returned last. It may be used from several threads at once.

    The contents are one frozen value that `reload` replaces, so a reader never sees half of two
    files and needs no lock.
    """

    def __init__(self, read: Callable[[], RosterContents]) -> None:
        self._read = read
        self._check: Check = lambda agents: None
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
    def alerts(self) -> tuple[FileAlert, ...]:
        return self._contents.alerts

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._contents.agents)

    def agent(self, name: str) -> Agent:
        """Return the agent of this name. Raise `RosterError`, which names the nearest one."""
        agents = self._contents.agents
        if name not in agents:
            raise RosterError(f"There is no agent {name}{nearest(name, agents)}")
        return agents[name]

    def for_channel(self, channel: str | None) -> Agent:
        """Return the agent that answers in a channel if nobody else is named."""
        contents = self._contents
        return contents.agents[contents.channels.get(channel or "", contents.default)]

    def require(self, check: Check) -> None:
        """Call `check` now and at each reload. It raises `RosterError` to refuse the agents."""
        check(self._contents.agents.values())
        self._check = check

    def reload(self) -> bool:
        """Read the file again. If that fails, log why, keep the agents and return False."""
        try:
            contents = self._read()
            self._check(contents.agents.values())
            self._contents = contents
        except RosterError as error:
            logger.error(
                "The agents file was not reloaded, and the agents stay as they are: %s", error
            )
            return False
        except Exception:
            logger.exception("The agents file was not reloaded, and the agents stay as they are.")
            return False
        logger.info("The agents are now %s.", ", ".join(self.names))
        return True


def load_roster(
    path: Path | None,
    *,
    environ: Mapping[str, str] = os.environ,
    files: BotFiles = BotFiles(),  # noqa: B008
) -> Roster:
    """Return the agents of the file `path`, or echo alone without one. Raise `RosterError`.

    The environment of agents is chosen from `environ`. No agent may reach the bot's own `files`.
    """
    return Roster(partial(read_agents, path, environ, files))


def read_agents(path: Path | None, environ: Mapping[str, str], files: BotFiles) -> RosterContents:
    """Read an agents file. Raise `RosterError` if it is wrong."""
    if path is None:
        echo = Agent(name="echo", providers=(EchoProvider(),))
        return RosterContents(agents={"echo": echo}, default="echo", channels={})
    top = _read(path)
    top.only(("default", "channels", "agents", "access", "alerts"))
    named, access = top.table("agents"), top.table("access")
    check_access(access)
    context = ProviderContext(environ=environ, files=files.and_also(path))
    agents = {name: _agent(named.table(name), name, access, context) for name in named.values}
    if not agents:
        raise top.error(
            "agents", 'it defines no agent: write [agents.echo] and under it provider = "echo"'
        )
    default = top.text("default", next(iter(agents)))
    _check_known(top, "default", default, agents)
    return RosterContents(
        agents=agents,
        default=default,
        channels=_channels(top, agents),
        alerts=_alerts(top, agents),
    )


def _read(path: Path) -> TomlSection:
    try:
        source = path.read_text(encoding="utf-8-sig")  # Editors on Windows write a mark first.
        values = tomllib.loads(source)
    except OSError as error:
        raise RosterError(
            f"The agents file {path} cannot be read ({error.strerror}): set TRACEBOT_AGENTS to the "
            "path of one."
        ) from None
    except UnicodeDecodeError:
        raise RosterError(f"{path} is not UTF-8 text: save it as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise RosterError(f"{path}{_place(error)}") from None
    except (ValueError, RecursionError) as error:  # A number or a nesting beyond Python's limits.
        raise RosterError(f"{path} cannot be read: {error}.") from None
    return TomlSection(path=path, source=source, name="", values=values)


def _place(error: tomllib.TOMLDecodeError) -> str:
    """Return what `tomllib` says, with the line first."""
    what, _, place = str(error).rpartition(" (at ")
    line = re.match(r"line (\d+), column (\d+)", place)
    where = f", line {line[1]}, column {line[2]}" if line else ", at its end"
    return f"{where}: this is not TOML: {what[:1].lower()}{what[1:]}."


def _channels(top: TomlSection, agents: Mapping[str, Agent]) -> dict[str, str]:
    channels = top.table("channels")
    for channel in channels.values:
        if not CHANNEL.fullmatch(channel):
            raise channels.error(
                channel, f"{channel} is not a channel's id, which looks like C0123456789"
            )
        _check_known(channels, channel, channels.text(channel, ""), agents)
    return {channel: str(name) for channel, name in channels.values.items()}


def _alerts(top: TomlSection, agents: Mapping[str, Agent]) -> tuple[FileAlert, ...]:
    alerts = file_alerts(top, agents)
    for alert in alerts:
        if not CHANNEL.fullmatch(alert.channel):
            raise top.error(
                "alerts",
                f"{alert.channel} is not a channel's id, which looks like C0123456789",
            )
    return alerts


def _check_known(section: TomlSection, key: str, name: str, agents: Mapping[str, Agent]) -> None:
    if name not in agents:
        raise section.error(key, f"there is no agent {name}{nearest(name, agents)}")


def _agent(section: TomlSection, name: str, access: TomlSection, context: ProviderContext) -> Agent:
    if not NAME.fullmatch(name):
        raise section.error(
            None, f"the agent's name {name!r} must be letters and digits, with . _ - between them"
        )
    providers = tuple(_provider(each, name, context) for each in _provider_sections(section))
    mode = cast(Mode, section.choice("mode", ("query", "execute"), "query"))
    _check_confinement(section, providers, mode)
    instructions = section.text("instructions", "") if "instructions" in section.values else ""
    return Agent(
        name=name,
        mode=mode,
        instructions=instructions,
        access=agent_rule(access, section, mode),
        providers=providers,
    )


def _check_confinement(section: TomlSection, providers: Iterable[Provider], mode: Mode) -> None:
    """Refuse a file whose agents could not be confined when they are asked."""
    for provider in providers:
        if isinstance(provider, CommandProvider):
            try:
                provider.check(mode)
            except ConfinementError as error:
                raise section.error(error.key, str(error)) from None


def _provider_sections(section: TomlSection) -> list[TomlSection]:
    """Return a table for each provider: the agent's keys, overridden by the provider's own."""
    if "providers" not in section.values:
        return [section]
    if "provider" in section.values:
        raise section.error("provider", "provider and providers exclude each other: keep one")
    own = section.tables("providers", short="provider")
    shared = {key: value for key, value in section.values.items() if key != "providers"}
    kinds = [PROVIDER_KINDS[_kind(each)] for each in own]
    for each, kind in zip(own, kinds, strict=True):
        each.only(("provider", *kind.keys))
    if "model" in shared and len({_kind(each) for each in own}) > 1:
        raise section.error(
            "model",
            "model belongs to one provider: write it in providers, such as "
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


def _provider(section: TomlSection, name: str, context: ProviderContext) -> Provider:
    kind = PROVIDER_KINDS[_kind(section)]
    section.only((*AGENT_KEYS, *kind.keys))
    return kind.build(section, name, context)
