"""`tracebot doctor`: check everything that `serve` needs, and say how to fix what is wrong."""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path

import httpx

from bot.agents.config.access_rules import refuse_groups_without_scope
from bot.agents.config.isolation import isolation_gaps, program_agents
from bot.agents.config.roster import Roster
from bot.agents.config.status import agent_statuses
from bot.agents.config.toml_section import RosterError
from bot.agents.programs.process.confinement import landlock_version
from bot.cli.agents_file import load_agents
from bot.cli.commands.database import look_through
from bot.errors import ConfigurationError
from bot.http.otlp_receiver import LOOPBACK
from bot.http.server import EVERYWHERE, listening_socket
from bot.settings import Settings, SettingsError, load_settings, misspelt_names
from bot.slack.client import client_for_start
from bot.slack.credentials import SCOPES_UNKNOWN, identify, socket_url
from bot.slack.errors import SlackUnavailable
from reports.formatting import visible
from reports.views.health import health_view
from storage.database.connect import OLDEST_SQLITE, database_path, locate
from storage.database.file_check import may
from storage.database.filesystem import refuse_network_file_system
from storage.database.read_only import reading
from storage.database.shared_file import SharedDatabase
from storage.errors import NoDatabase, StorageError
from storage.health import health

WELL, WARNING, WRONG = "✓", "⚠", "✗"
PORT_S = 2.0
"""How long to wait for the answer of whatever has a port open, in seconds."""

TRY_AGAIN = "tracebot serve waits until that is over; try again in a few minutes"
CLOCK_S = 60
"""The clock may differ from Slack's by this much, in seconds.

At 5 minutes Slack's signed requests are refused, because they look like replays.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of one check. `advice` says what to do; it is empty if nothing needs doing."""

    mark: str
    what: str
    found: str
    advice: str = ""


Findings = Iterator[Finding]


def doctor(*, database: str | None, as_json: bool) -> int:
    """Print the findings; 1 if something is wrong."""
    findings = list(examine(database))
    if as_json:
        sys.stdout.write(json.dumps({"findings": [asdict(each) for each in findings]}) + "\n")
    else:
        width = max(len(finding.what) for finding in findings)
        for finding in findings:
            line = f"{finding.mark} {finding.what:<{width}}  {finding.found}\n"
            if finding.advice:
                line += f"  {'':<{width}}  → {finding.advice}\n"
            sys.stdout.write(visible(line))
    return 1 if any(finding.mark == WRONG for finding in findings) else 0


def examine(database: str | None) -> Findings:
    hints = misspelt_names()
    try:
        settings = load_settings()
    except ConfigurationError as error:
        yield Finding(mark=WRONG, what="settings", found="are invalid", advice=str(error))
        return
    yield Finding(mark=WELL, what="settings", found="are valid")
    for hint in hints:
        yield Finding(mark=WARNING, what="settings", found=hint)
    if database is not None:
        settings = settings.model_copy(update={"database_url": database})
    for look in (_tokens, _slack, _socket_mode, _ports, _agents, _file_system, _database):
        yield from look(settings)


def _tokens(settings: Settings) -> Findings:
    tokens = {
        "SLACK_BOT_TOKEN": (settings.slack_bot_token, "tracebot serve"),
        "SLACK_APP_TOKEN": (settings.slack_app_token, "Socket Mode"),
        "SLACK_SIGNING_SECRET": (settings.slack_signing_secret, "tracebot serve --http"),
    }
    for name, (value, user) in tokens.items():
        if value.get_secret_value():
            yield Finding(mark=WELL, what=name, found="is set")
        else:
            advice = f"{user} needs it: copy it from the app's page at https://api.slack.com/apps"
            yield Finding(mark=WARNING, what=name, found="is not set", advice=advice)


def _slack(settings: Settings) -> Findings:
    """Check that Slack accepts the bot's token, its scopes, and our clock beside Slack's."""
    if not settings.slack_bot_token.get_secret_value():
        return
    try:
        bot = identify(client_for_start(settings))
    except SlackUnavailable as error:
        yield Finding(mark=WRONG, what="Slack", found=str(error), advice=TRY_AGAIN)
        return
    except SettingsError as error:
        found = "does not let the bot in"
        yield Finding(mark=WRONG, what="Slack", found=found, advice=str(error))
        return
    yield Finding(mark=WELL, what="Slack", found=f"accepts the bot in {bot.get('team')}")
    if bot["scopes"] is None:
        yield Finding(mark=WARNING, what="scopes", found="are unknown", advice=SCOPES_UNKNOWN)
    else:
        yield from _groups(settings, bot["scopes"])
    with suppress(TypeError, ValueError):  # No date, or not one of HTTP.
        yield _clock(time.time() - parsedate_to_datetime(bot["date"]).timestamp())


def _groups(settings: Settings, scopes: frozenset[str]) -> Findings:
    try:
        roster = load_agents(settings)
    except ConfigurationError:
        return  # A finding of `_agents`.
    try:
        roster.require(partial(refuse_groups_without_scope, scopes=scopes))
    except RosterError as error:
        yield Finding(mark=WRONG, what="user groups", found="cannot be read", advice=str(error))


def _socket_mode(settings: Settings) -> Findings:
    """Check that Slack would open a connection with the app's token."""
    token = settings.slack_app_token.get_secret_value()
    if not token:
        return
    try:
        socket_url(client_for_start(settings), token)
    except SlackUnavailable as error:
        yield Finding(mark=WRONG, what="Socket Mode", found=str(error), advice=TRY_AGAIN)
    except SettingsError as error:
        found = "cannot be used"
        yield Finding(mark=WRONG, what="Socket Mode", found=found, advice=str(error))
    else:
        yield Finding(mark=WELL, what="Socket Mode", found="can be used")


def _ports(settings: Settings) -> Findings:
    """Check that the ports can be opened which `serve` would open."""
    if settings.slack_signing_secret.get_secret_value():
        yield _port("PORT", EVERYWHERE, settings.port)
    if settings.otlp_port not in (0, "off"):
        yield _port("TRACEBOT_OTLP_PORT", LOOPBACK[0], int(settings.otlp_port))


def _port(variable: str, host: str, port: int) -> Finding:
    try:
        listening_socket(host, port).close()
    except OSError as error:
        if _answers(port):
            return Finding(mark=WELL, what=variable, found=f"tracebot listens on port {port}")
        found = f"port {port} cannot be opened ({error.strerror})"
        return Finding(mark=WRONG, what=variable, found=found, advice="set it to another port")
    return Finding(mark=WELL, what=variable, found=f"port {port} can be opened")


def _answers(port: int) -> bool:
    """Return whether a server of ours has a port of this machine open."""
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}/health", timeout=PORT_S, trust_env=False)
        return bool(answer.json() == {"ok": True})
    except (httpx.HTTPError, ValueError):
        return False


def _clock(ahead: float) -> Finding:
    if abs(ahead) < CLOCK_S:
        return Finding(mark=WELL, what="clock", found="agrees with Slack's clock")
    where = "ahead of" if ahead > 0 else "behind"
    advice = "synchronise it, for example with timedatectl set-ntp true"
    found = f"is {abs(ahead):.0f} s {where} Slack's clock"
    return Finding(mark=WRONG, what="clock", found=found, advice=advice)


def _agents(settings: Settings) -> Findings:
    try:
        roster = load_agents(settings)
    except ConfigurationError as error:
        yield Finding(mark=WRONG, what="agents", found="cannot be read", advice=str(error))
        return
    where = str(settings.agents) if settings.agents else "built in"
    yield Finding(mark=WELL, what="agents", found=f"{', '.join(roster.names)} ({where})")
    for agent in agent_statuses(roster, None):
        problems = [each.problem for each in agent.providers if each.problem is not None]
        mark = WRONG if len(problems) == len(agent.providers) else WARNING
        for problem in problems:
            advice = "run tracebot agents for details"
            yield Finding(mark=mark, what=f"agent {agent.name}", found=problem, advice=advice)
    yield from _isolation(roster)


def _isolation(roster: Roster) -> Findings:
    if not program_agents(roster):
        return
    if (version := landlock_version()) > 0:
        found = f"Landlock {version} confines agents that are programs"
        yield Finding(mark=WELL, what="isolation", found=found)
    for gap in isolation_gaps(roster):
        found = f"{', '.join(gap.agents)} {gap.found}"
        yield Finding(mark=WARNING, what="isolation", found=found, advice=gap.advice)


def _file_system(settings: Settings) -> Findings:
    try:
        refuse_network_file_system(database_path(settings.database_url))
    except StorageError as error:
        yield Finding(mark=WRONG, what="file system", found="cannot be used", advice=str(error))
    else:
        yield Finding(mark=WELL, what="file system", found="is local")
    version = SharedDatabase.server_version
    found = ".".join(map(str, version))
    if version < OLDEST_SQLITE:
        advice = "this version can corrupt a shared database: install cysqlite 0.4 or newer"
        yield Finding(mark=WRONG, what="SQLite", found=found, advice=advice)
    else:
        yield Finding(mark=WELL, what="SQLite", found=found)


def _database(settings: Settings) -> Findings:
    try:
        located = locate(settings.database_url)
        look_through(located)
        with reading(located) as database:
            now = time.time_ns()
            seen = health_view(health(database, now=now), now=now, private=False)
    except NoDatabase:
        yield _future_database(database_path(settings.database_url))
        return
    except StorageError as error:
        yield Finding(mark=WRONG, what="database", found="cannot be opened", advice=str(error))
        return
    facts = dict(seen.facts)
    size = f"{facts['Database']}, {facts['Size']}, checked: {facts['Check']}"
    yield Finding(mark=WELL if seen.ok else WARNING, what="database", found=size)
    for problem in seen.problems:
        what = problem.fact.lower()
        found = facts[problem.fact].removeprefix(f"{problem.mark} ")
        yield Finding(mark=problem.mark, what=what, found=found, advice=problem.advice)


def _future_database(path: Path) -> Finding:
    """Say whether the database can be created, without creating anything."""
    folder = next(parent for parent in path.parents if parent.exists())
    if folder.is_dir() and may(folder, os.W_OK):
        found = f"{path} is not there yet: what records first creates it"
        return Finding(mark=WELL, what="database", found=found)
    advice = f"make {folder} a folder that you can write, or set TRACEBOT_DATABASE_URL"
    return Finding(mark=WRONG, what="database", found=f"{path} cannot be created", advice=advice)
