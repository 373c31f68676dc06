"""`tracebot doctor`: check everything that `serve` needs, and say how to fix what is wrong."""

import json
import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace

from bot.agents.config.isolation import (
    isolation_gaps,
    open_copies,
    open_doors,
    program_agents,
)
from bot.agents.config.roster import Roster
from bot.agents.config.status import agent_statuses
from bot.agents.programs.process.confinement import landlock_version
from bot.cli.agents_file import load_agents, named_database
from bot.cli.commands.database import look_through
from bot.cli.findings import WARNING, WELL, WRONG, Finding, Findings
from bot.cli.slack_checks import SLACK_CHECKS
from bot.errors import ConfigurationError
from bot.settings import Settings, load_settings, misspelt_names
from bot.slack.own_secrets import CHANGE, EVERYDAY, everyday_secrets
from reports.formatting import visible
from reports.views.health import health_view
from storage.database.base import Database
from storage.database.connect import OLDEST_SQLITE, database_path, locate, postgres_url
from storage.database.file_check import may
from storage.database.filesystem import refuse_network_file_system
from storage.database.read_only import reading
from storage.database.shared_file import SharedDatabase
from storage.errors import NoDatabase, StorageError
from storage.health import health
from storage.model.redaction import redact


def doctor(*, database: str | None, as_json: bool) -> int:
    """Print the findings; 1 if something is wrong."""
    findings = [
        replace(each, found=redact(each.found), advice=redact(each.advice))
        for each in examine(database)
    ]
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
    for hint in misspelt_names():
        yield Finding(mark=WARNING, what="settings", found=hint)
    try:
        settings = load_settings()
    except ConfigurationError as error:
        yield Finding(mark=WRONG, what="settings", found="are invalid", advice=str(error))
        return
    yield Finding(mark=WELL, what="settings", found="are valid")
    with suppress(FileNotFoundError):
        if os.stat(".env").st_mode & 0o004:
            found = ".env has tokens, and every user of this machine can read it"
            yield Finding(mark=WARNING, what="settings", found=found, advice="chmod 600 .env")
    if database is not None:
        settings = settings.model_copy(update={"database_url": database})
    for look in (*SLACK_CHECKS, _agents, _file_system, _database):
        yield from look(settings)


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
    yield from _isolation(roster, settings)
    for name in everyday_secrets(settings, roster):
        yield Finding(mark=WARNING, what="secrets", found=f"{name} {EVERYDAY}", advice=CHANGE)


def _isolation(roster: Roster, settings: Settings) -> Findings:
    if not program_agents(roster):
        return
    if (version := landlock_version()) > 0:
        found = f"Landlock {version} confines agents that are programs"
        yield Finding(mark=WELL, what="isolation", found=found)
    database = named_database(settings)
    gaps = [*isolation_gaps(roster), *open_copies(roster, database=database)]
    with suppress(StorageError):  # Which is told with the database.
        gaps += open_doors(roster, locate(settings.database_url))
    for gap in gaps:
        found = f"{', '.join(gap.agents)} {gap.found}"
        yield Finding(mark=WARNING, what="isolation", found=found, advice=gap.advice)


def _file_system(settings: Settings) -> Findings:
    if postgres_url(settings.database_url) is not None:
        return  # Its files are the server's affair.
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
    except StorageError as error:
        yield Finding(mark=WRONG, what="database", found="cannot be found", advice=str(error))
        return
    try:
        look_through(located)
        with reading(located) as database:
            now = time.time_ns()
            seen = health_view(health(database, now=now), now=now, private=False)
    except NoDatabase as error:
        yield _future_database(located, error)
        return
    except StorageError as error:
        yield Finding(mark=WRONG, what="database", found="cannot be opened", advice=str(error))
        return
    facts = dict(seen.facts)
    state = f"PostgreSQL {facts['PostgreSQL']}" if located.on_server else _checked(facts)
    found = f"{facts['Database']}, {facts['Size']}, {state}"
    if obstacle := located.obstacle():
        yield Finding(mark=WRONG, what="database", found=found, advice=str(obstacle))
    else:
        yield Finding(mark=WELL if seen.ok else WARNING, what="database", found=found)
    if "Litestream" in facts and not facts["Litestream"].startswith(WARNING):
        yield Finding(mark=WELL, what="Litestream", found=facts["Litestream"])
    for problem in seen.problems:
        what = problem.fact.lower()
        found = facts[problem.fact].removeprefix(f"{problem.mark} ")
        yield Finding(mark=problem.mark, what=what, found=found, advice=problem.advice)


def _checked(facts: Mapping[str, str]) -> str:
    return f"checked: {facts['Check']}"


def _future_database(located: Database, problem: NoDatabase) -> Finding:
    """Say whether the database can be created, without creating anything."""
    path = located.path
    if located.on_server:
        if obstacle := located.obstacle():
            advice = str(obstacle)
            return Finding(mark=WRONG, what="database", found="has no tables yet", advice=advice)
        return Finding(mark=WELL, what="database", found=str(problem))
    folder = next(parent for parent in path.parents if parent.exists())
    if folder.is_dir() and may(folder, os.W_OK):
        found = f"{path} is not there yet: what records first creates it"
        return Finding(mark=WELL, what="database", found=found)
    advice = f"make {folder} a folder that you can write, or set TRACEBOT_DATABASE_URL"
    return Finding(mark=WRONG, what="database", found=f"{path} cannot be created", advice=advice)
