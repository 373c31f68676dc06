"""Remember in which session of its program an agent answered a thread last.

A session that is taken is removed, and stored again after the next answer. So a session whose turn
failed, was stopped, or died with its process is not continued, and no two turns share one.
"""

from dataclasses import asdict, dataclass

from storage.database.base import Database
from storage.database.models import AgentSessionRow
from storage.database.transactions import transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionKey:
    """The thread, the agent and its provider to which a session belongs."""

    team: str
    channel: str
    thread_ts: str
    agent: str
    provider: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSession:
    """A session after an answer.

    `session_id` is the program's own id, None if something that it knows was erased. `settings` and
    `thread` are fingerprints of the settings and of the messages on which it depends. `since` is
    the time stamp of the last question, and `trace_id` the trace of that turn. The tokens are those
    of all its turns.
    """

    session_id: str | None
    settings: str
    thread: str
    since: str
    trace_id: str
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0


def take_session(database: Database, key: SessionKey, *, settings: str) -> AgentSession | None:
    """Return a session, and remove it if it has these settings.

    Another one stays. An agent can have several providers of a kind, and the next one goes on with
    it if this one cannot answer.
    """
    columns = [getattr(AgentSessionRow, name) for name in AgentSession.__dataclass_fields__]
    own = [getattr(AgentSessionRow, name) == value for name, value in asdict(key).items()]
    with transaction(database, of=[_name(key)]):
        row = AgentSessionRow.select(*columns).where(*own).dicts().execute(database)
        found = next((AgentSession(**each) for each in row), None)
        if found is not None and found.settings == settings:
            AgentSessionRow.delete().where(*own).execute(database)
    return found


def put_session(database: Database, key: SessionKey, session: AgentSession) -> None:
    """Store a session. It replaces an earlier one."""
    values = {**asdict(key), **asdict(session)}
    with transaction(database, of=[_name(key)]):
        AgentSessionRow.insert(values).on_conflict(
            conflict_target=[getattr(AgentSessionRow, name) for name in asdict(key)],
            update=asdict(session),
        ).execute(database)


def _name(key: SessionKey) -> str:
    return "session:" + ":".join(asdict(key).values())
