"""`tracebot agents` lists the agents; `tracebot import crewx` converts an agents file."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from bot.agents.config.crewx_import import import_crewx
from bot.agents.config.roster import Roster
from bot.agents.config.status import AgentStatus, ProviderStatus, agent_statuses
from bot.cli.agents_file import load_agents
from bot.cli.exit_codes import DONE, FAILED
from bot.settings import load_settings
from reports.formatting import local, utc, visible
from storage.errors import NoDatabase, StorageError
from storage.model.redaction import redact, redact_value
from storage.model.trace_context import short_id


def show_agents(*, database: str, as_json: bool) -> int:
    """Print the agents; 1 if one has no provider that could answer. Raises `RosterError`."""
    settings = load_settings()
    roster = load_agents(settings, database=database)
    states = _statuses(roster, database or settings.database_url, is_named=bool(database))
    if as_json:
        found = redact_value({"agents": [_as_object(each) for each in states]})
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        where = (
            settings.agents
            or "No agents file is set, so only echo answers: tracebot init writes one with the "
            "agents on this machine, or set TRACEBOT_AGENTS to yours."
        )
        sys.stdout.write(visible(redact(f"{where}\n\n" + "\n".join(map(_as_text, states)))))
    return 0 if all(any(p.problem is None for p in each.providers) for each in states) else 1


def import_agents(*, path: str, output: str | None) -> int:
    """Write the agents of a crewx.yaml as an agents file. Raises `RosterError`."""
    target = None if output is None else Path(output).absolute()
    imported = import_crewx(Path(path), folder=None if target is None else target.parent)
    for note in imported.notes:
        sys.stderr.write(f"tracebot: {note}\n")
    if target is None:
        sys.stdout.write(imported.text)
        return DONE
    try:
        file = target.open("x", encoding="utf-8")
        try:
            with file:
                file.write(imported.text)
        except BaseException:  # Half of a file would also be in the way of the next attempt.
            target.unlink()
            raise
    except OSError as error:
        sys.stderr.write(f"tracebot: {target} cannot be written ({error.strerror}).\n")
        return FAILED
    sys.stderr.write(f"tracebot: {target} is written. Set TRACEBOT_AGENTS={target} to use it.\n")
    return DONE


def _statuses(roster: Roster, url: str, *, is_named: bool) -> tuple[AgentStatus, ...]:
    """Return the agents with their last errors, if a database has any.

    It may be missing, unless the command line names it.
    """
    from storage.database.connect import locate
    from storage.database.read_only import reading

    try:
        with reading(locate(url)) as database:
            return tuple(agent_statuses(roster, database))
    except StorageError as error:
        if is_named or not isinstance(error, NoDatabase):
            sys.stderr.write(f"tracebot: the last errors cannot be read: {error}\n")
    return tuple(agent_statuses(roster, None))


def _as_text(state: AgentStatus) -> str:
    about = [state.mode, *(["default"] if state.default else []), *state.channels]
    lines = [
        f"{state.name}  ({', '.join(about)})",
        f"  may ask: {state.may_ask}",
        *map(_provider_line, state.providers),
    ]
    error = state.last_error
    if error is not None:
        at = local(error.started_at, "UTC")
        lines.append(f"  last error {at} UTC, trace {short_id(error.trace_id)}:")
        lines.append(f"    {error.error_message or error.status}")
    return "\n".join(lines) + "\n"


def _provider_line(state: ProviderStatus) -> str:
    sessions = "sessions: fresh" if state.sessions == "fresh" else None
    about = (state.provider, state.model, state.version, state.place, sessions)
    known = "  ".join(filter(None, about))
    return f"  {known}" if state.problem is None else f"  {known}  ✗ {state.problem}"


def _as_object(state: AgentStatus) -> dict[str, object]:
    error = state.last_error
    return {
        "name": state.name,
        "mode": state.mode,
        "default": state.default,
        "channels": list(state.channels),
        "access": {
            key: sorted(value) if isinstance(value, frozenset) else value
            for key, value in asdict(state.access).items()
        },
        "providers": [
            {
                "provider": each.provider,
                "model": each.model,
                "place": each.place,
                "version": each.version,
                "sessions": each.sessions,
                "problem": each.problem,
            }
            for each in state.providers
        ],
        "last_error": None
        if error is None
        else {
            "at": utc(error.started_at),
            "trace_id": error.trace_id,
            "message": error.error_message,
        },
    }
