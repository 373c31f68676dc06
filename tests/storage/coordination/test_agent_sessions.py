"""The session in which an agent answered a thread last is remembered, and taken once."""

import time
from dataclasses import replace

import pytest
from peewee import Database

from storage import Observability
from storage.coordination.agent_sessions import (
    AgentSession,
    SessionKey,
    put_session,
    take_session,
)
from storage.model.erasure import HEARD, Erasure
from storage.model.retention import Retention
from storage.model.semconv import READ_THREAD
from storage.recovery.opening import open_database
from storage.upkeep.erasure import erase
from storage.upkeep.retention import apply_retention

KEY = SessionKey(team="T1", channel="C1", thread_ts="1.0", agent="helper", provider="claude")
SESSION = AgentSession(
    session_id="s-1", settings="a", thread="b", since="2.0", trace_id="c" * 32, input_tokens=7
)


@pytest.fixture(params=["sqlite", "postgres"])
def either(request: pytest.FixtureRequest) -> Database:
    if request.param == "sqlite":
        database: Database = request.getfixturevalue("database")
        return database
    postgres = open_database(request.getfixturevalue("postgres_url"))
    request.addfinalizer(postgres.close)
    return postgres


def test_a_session_is_taken_once_and_the_latest_counts(either: Database) -> None:
    put_session(either, KEY, SESSION)
    later = replace(SESSION, session_id="s-2", input_tokens=9)
    put_session(either, KEY, later)
    assert take_session(either, KEY, settings="a") == later
    assert take_session(either, KEY, settings="a") is None


def test_a_session_with_other_settings_stays(database: Database) -> None:
    put_session(database, KEY, SESSION)
    assert take_session(database, KEY, settings="other") == SESSION
    assert take_session(database, KEY, settings="a") == SESSION
    assert take_session(database, KEY, settings="a") is None


@pytest.mark.parametrize("part", ["team", "channel", "thread_ts", "agent", "provider"])
def test_a_session_belongs_to_one_thread_agent_and_provider(database: Database, part: str) -> None:
    put_session(database, KEY, SESSION)
    assert take_session(database, replace(KEY, **{part: "other"}), settings="a") is None
    assert take_session(database, KEY, settings="a") == SESSION


def stored(observability: Observability) -> AgentSession:
    """Store a session of a turn in which U2 asked and U1 was heard."""
    facts = {"team": "T1", "channel": "C1", "thread_ts": "1.0", "message_ts": "2.0", "user": "U2"}
    with (
        observability.span("slack message", **facts) as root,
        observability.span(READ_THREAD) as span,
    ):
        span.set(**{HEARD: ["U1"]})
    assert observability.flush()
    session = replace(SESSION, trace_id=root.trace_id)
    put_session(observability.database, KEY, session)
    return session


@pytest.mark.parametrize(
    ("facts", "ended"),
    [
        ({"user": "U1"}, True),
        ({"user": "U2"}, True),
        ({"user": "U3"}, False),
        ({"channel": "C1", "message_ts": "1.0"}, True),
        ({"channel": "C1", "message_ts": "1.5", "thread_ts": "1.0"}, True),
        ({"channel": "C1", "message_ts": "3.0", "thread_ts": "1.0"}, False),
        ({"channel": "C2", "message_ts": "1.0"}, False),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_an_erasure_ends_the_sessions_that_know_what_is_erased(
    observability: Observability, facts: dict[str, str], ended: bool
) -> None:
    session = stored(observability)
    erase(observability.database, Erasure(at=time.time_ns(), by="U9", team="T1", **facts))
    taken = take_session(observability.database, KEY, settings="a")
    assert taken == (replace(session, session_id=None) if ended else session)


def test_retention_removes_a_session_with_the_trace_of_its_last_turn(
    observability: Observability,
) -> None:
    stored(observability)
    month = 30 * 24 * 3_600 * 10**9
    for now, kept in ((time.time_ns(), True), (time.time_ns() + 2 * month, False)):
        apply_retention(observability.database, Retention(older_than_ns=month), now=now)
        found = take_session(observability.database, KEY, settings="a")
        assert (found is not None) is kept
        if found is not None:
            put_session(observability.database, KEY, found)
