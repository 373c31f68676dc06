"""A database on a PostgreSQL server: connections, transactions, and what is said when it fails."""

import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from urllib.parse import parse_qs, urlsplit

import peewee
import pytest

from storage.database import server_connection, server_sessions, watched_connection
from storage.database.base import Database
from storage.database.connect import database_path, locate
from storage.database.error_causes import LOCKED, READ_ONLY, UNREACHABLE, cause_of
from storage.database.pool import FAIL_FAST_S, Pool
from storage.database.postgres import PostgresDatabase
from storage.database.postgres_url import passwords
from storage.database.read_only import reading
from storage.database.statements import LookUp
from storage.database.transactions import transaction
from storage.errors import (
    BadDatabaseURL,
    DatabaseUnavailable,
    NewerDatabase,
    NoDatabase,
    NotOurDatabase,
    QueryTimeout,
    StorageError,
    TemporarilyUnavailable,
)
from storage.model.batch import Batch
from storage.model.span import Span
from storage.queries.traces import recent_traces
from storage.recovery.opening import open_database, prepare
from storage.store.batch import store
from storage.store.facts import merge_facts
from tests.support.factories import NOW
from tests.support.postgres import Cable, answering, refusal


@pytest.fixture
def database(new_postgres_url: str) -> Iterator[Database]:
    with closing(locate(new_postgres_url)) as database:
        yield database


def count(database: Database) -> int:
    return int(database.fetch("SELECT count(*) FROM subscriptions", ())[0][0])


def subscribe(database: Database, channel: str) -> None:
    database.execute_sql(
        "INSERT INTO subscriptions VALUES ('T1', %s, '09:00', 'UTC', 'U1', 1, 'daily')", (channel,)
    )


def backends(database: Database) -> list[int]:
    rows = database.fetch(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name = 'tracebot' AND pid <> pg_backend_pid()",
        (),
    )
    return [pid for (pid,) in rows]


def test_connections_are_kept_if_only_none_was_free(
    new_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_sessions, "MOST_CONNECTIONS", 1)
    refused: list[peewee.OperationalError] = []

    def ask() -> None:
        try:
            database.fetch("SELECT 1", ())
        except peewee.OperationalError as error:
            refused.append(error)

    def backend() -> object:
        return database.fetch("SELECT pg_backend_pid()", ())[0][0]

    with closing(locate(new_postgres_url, busy_timeout_ms=100)) as database:
        with transaction(database):
            before = backend()
            thread = threading.Thread(target=ask)
            thread.start()
            thread.join()
        assert "in use" in str(refused[0])
        assert backend() == before


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:hush@db.example:5433/traces",
        "postgres://ann:hush@db.example:5433/traces?sslmode=require&sslpassword=hush",
        "postgresql://ann@db.example:5433/traces?password=hush",
        "postgresql://db.example:5433/traces?user=ann&password=hush",
    ],
)
def test_the_name_of_a_database_never_holds_a_password(url: str) -> None:
    database = locate(url)
    assert database.label == "postgresql://ann@db.example:5433/traces"
    assert "hush" not in f"{database.label} {database.database} {database.path} {database.url!r}"


def test_the_place_of_a_database_stays_when_its_password_or_user_changes() -> None:
    places = {
        database_path(url)
        for url in (
            "postgresql://ann:one@db.example/traces",
            "postgresql://bob:two@db.example/traces?sslmode=require",
        )
    }
    others = {
        database_path(url)
        for url in (
            "postgresql://ann:one@db.example/other",
            "postgresql://ann:one@other.example/traces",
            "postgresql://ann:one@db.example/traces?options=-csearch_path%3Dmine",
        )
    }
    assert len(places) == 1
    assert len(places | others) == 4


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("postgresql:///?service=prod", "postgresql:///?service=staging"),
        ("postgresql://prod:one@db.example", "postgresql://staging:one@db.example"),
        ("postgresql:///traces?hostaddr=192.0.2.1", "postgresql:///traces?hostaddr=192.0.2.2"),
        ("postgresql://db.example/traces?dbname=a", "postgresql://db.example/traces?dbname=b"),
        ("postgresql://db.example/traces?host=a", "postgresql://db.example/traces?host=b"),
    ],
)
def test_databases_that_libpq_tells_apart_have_places_of_their_own(one: str, other: str) -> None:
    assert database_path(one) != database_path(other)
    assert locate(one).label != locate(other).label


@pytest.mark.parametrize(
    "name",
    ["PGSERVICE", "PGHOST", "PGHOSTADDR", "PGPORT", "PGOPTIONS", "PGDATABASE", "PGUSER"],
)
def test_so_have_those_that_only_the_environment_tells_apart(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    places = set()
    for value in ("prod", "staging"):
        monkeypatch.setenv(name, value)
        places.add(database_path("postgresql://"))
    assert len(places) == 2


def test_a_password_in_a_url_is_read_as_libpq_reads_it() -> None:
    conninfo = pytest.importorskip("psycopg.conninfo")
    url = "postgresql://db.example/traces?password=no&password=a+b%2Bc%20d"
    assert passwords(url, {}) == (conninfo.conninfo_to_dict(url)["password"],) == ("a+b+c d",)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:hu/sh@db.example/traces",
        "postgresql://ann:hu%zzsh@db.example/traces",
        "postgresql://ann:hush#@db.example/traces",
        "postgresql://ann:hush@db.example/traces?nonsense",
        "postgresql://ann:hush@db.example/traces?nonsense=1",
        "postgresql://ann:hush@[db.example/traces",
        "mysql://ann:hush@db.example/traces",
        "postgresq://ann:hush@db.example/traces",
    ],
)
def test_a_url_that_makes_no_sense_is_not_quoted(url: str) -> None:
    with pytest.raises(BadDatabaseURL, match="postgresql://USER:PASSWORD@HOST") as caught:
        locate(url)
    assert "hush" not in str(caught.value)
    assert "hu/sh" not in str(caught.value)
    assert ("the parameter nonsense: leave it out" in str(caught.value)) == ("nonsense=" in url)


def test_without_psycopg_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    with pytest.raises(BadDatabaseURL, match=r"uv tool install '\.\[postgres\]'"):
        locate("postgresql://db.example/traces")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("?host=", "?host=/nowhere&x="), "cannot be reached"),
        (("postgres:@", "zoe:hush@"), "does not let tracebot into"),
        (("/test_", "/nothing_"), "There is no such database"),
    ],
)
def test_a_server_that_cannot_be_used_is_told_in_one_sentence(
    new_postgres_url: str, change: tuple[str, str], sentence: str
) -> None:
    url = new_postgres_url.replace(*change).replace("&x=", "&application_name=")
    for use in (lambda: prepare(locate(url)), lambda: reading(locate(url)).__enter__()):
        with pytest.raises(DatabaseUnavailable, match=sentence) as caught:
            use()
        assert "TRACEBOT_DATABASE_URL" in str(caught.value)
        assert "hush" not in str(caught.value)
        assert isinstance(caught.value, TemporarilyUnavailable) == (sentence == "cannot be reached")


REFUSED = [
    (
        "28P01",
        'password authentication failed for user "ann"',
        "does not let tracebot into postgresql://ann@127.0.0.1:{port}/traces (password "
        'authentication failed for user "ann"): check the user and the password',
    ),
    ("28000", 'no pg_hba.conf entry for host "10.0.0.1", no encryption', "does not let tracebot"),
    ("3D000", 'database "traces" does not exist', "There is no such database on the server"),
    ("08P01", "no such database: traces", "There is no such database on the server"),
    ("53300", "sorry, too many clients already", "has no connection left (sorry, too many"),
    ("08P01", "no more connections allowed (max_client_conn)", "has no connection left"),
    ("42501", 'permission denied for database "traces"', "The user has no right to use"),
    ("57P03", "the database system is starting up", "cannot be reached (the database system is"),
]


@pytest.mark.parametrize(("code", "words", "sentence"), REFUSED)
def test_a_server_that_refuses_a_connection_is_told_in_one_sentence(
    code: str, words: str, sentence: str
) -> None:
    with answering(refusal(code, words)) as port:
        database = locate(f"postgresql://ann:hush@127.0.0.1:{port}/traces?sslmode=disable")
        with pytest.raises(DatabaseUnavailable) as caught:
            prepare(database)
    said = str(caught.value)
    assert sentence.format(port=port) in said
    assert "hush" not in said and "\n" not in said and "FATAL" not in said
    passes = isinstance(caught.value, TemporarilyUnavailable)
    assert passes == (code in ("53300", "57P03") or "max_client_conn" in words)


def test_a_server_without_encryption_is_told_apart_from_one_that_is_away() -> None:
    with answering(b"N") as port:
        database = locate(f"postgresql://ann:hush@127.0.0.1:{port}/traces?sslmode=require")
        with pytest.raises(TemporarilyUnavailable, match="check sslmode and sslrootcert"):
            prepare(database)


def test_what_each_of_several_hosts_says_is_one_sentence(new_postgres: Callable[..., str]) -> None:
    url = new_postgres()
    name = urlsplit(url).path.strip("/")
    with closing(locate(url)) as admin:
        admin.execute_sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    hosts = url.replace("?host=", "?host=/nowhere,") + "&target_session_attrs=read-write"
    with pytest.raises(TemporarilyUnavailable, match="can only be read") as caught:
        prepare(locate(hosts))
    assert "(No such file or directory; session is read-only)" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("ALTER DATABASE {0} SET default_transaction_read_only = on", "can only be read"),
        ("CREATE ROLE reader LOGIN", "it may not create tables"),
        (
            "GRANT CREATE ON SCHEMA public TO reader",
            r"it does not own the table spans.*make that user the owner",
        ),
    ],
)
def test_what_keeps_tracebot_from_recording_is_known_without_trying(
    new_postgres_url: str, change: str, sentence: str
) -> None:
    with closing(locate(new_postgres_url)) as admin:
        assert admin.obstacle() is None
        admin.execute_sql(change.format(admin.label.rpartition("/")[2]))
    user = "reader" if "reader" in change else "postgres"
    with closing(locate(new_postgres_url.replace("postgres:@", f"{user}@"))) as database:
        assert re.search(sentence, str(database.obstacle()))


def test_a_server_that_is_too_old_is_refused(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_connection, "OLDEST", 99)
    with pytest.raises(StorageError, match=r"is PostgreSQL \d+\.\d+, and tracebot needs 99"):
        prepare(database)


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_cannot_hold_all_languages_is_refused(
    new_postgres: Callable[..., str], encoding: str
) -> None:
    url = new_postgres("template0", f"ENCODING '{encoding}' LOCALE 'C'")
    with pytest.raises(StorageError, match=f"is encoded in {encoding}.*ENCODING 'UTF8'"):
        open_database(url)


def test_text_of_any_language_is_read_whatever_the_environment_says(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    with closing(database.another(busy_timeout_ms=1_000)) as other:
        assert other.fetch("SELECT %s::text", ("한국어",)) == [("한국어",)]


def test_a_database_of_a_newer_tracebot_is_left_alone(database: Database) -> None:
    database.execute_sql("INSERT INTO schema_migration (name, applied) VALUES ('9999_x', now())")
    with pytest.raises(NewerDatabase, match="update tracebot"):
        prepare(database)
    with pytest.raises(NewerDatabase, match="update tracebot"), reading(database):
        pass


def test_tables_of_another_program_are_left_alone(empty_postgres: Database) -> None:
    empty_postgres.execute_sql("CREATE TABLE spans (id int)")
    with pytest.raises(NotOurDatabase, match="a table spans of another program"):
        prepare(empty_postgres)
    assert empty_postgres.get_tables() == ["spans"]


def test_reading_creates_no_tables_and_no_files(new_postgres: Callable[..., str]) -> None:
    with closing(locate(new_postgres())) as database:
        with pytest.raises(NoDatabase, match="has no tables of tracebot yet"), reading(database):
            pass
        assert database.get_tables() == []
        assert not database.path.parent.exists()


def test_what_is_opened_to_be_read_cannot_be_written(database: Database) -> None:
    with (
        reading(database) as reader,
        pytest.raises(peewee.OperationalError, match="read only"),
        transaction(reader),
    ):
        pass


def test_a_thread_keeps_no_connection_when_it_is_done(database: Database) -> None:
    assert isinstance(database, PostgresDatabase)
    done = threading.Barrier(6)

    def use() -> None:
        for number in range(20):
            with transaction(database):
                subscribe(database, f"{threading.get_ident()}.{number}")
        done.wait()

    threads = [threading.Thread(target=use) for _ in range(5)]
    for thread in threads:
        thread.start()
    done.wait()
    assert count(database) == 100
    assert database.is_closed()
    assert len(backends(database)) < 6
    for thread in threads:
        thread.join()


def test_a_thread_that_connects_again_does_not_break_one_that_is_about_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse() -> None:
        raise peewee.OperationalError("away")

    pool = Pool(refuse, most=1)
    with pytest.raises(peewee.OperationalError):
        pool.take(patience=1)
    failed = pool._failed
    assert failed

    def meanwhile() -> float:
        pool._failed = None
        return failed[0] - FAIL_FAST_S

    monkeypatch.setattr("storage.database.pool.time.monotonic", meanwhile)
    with pytest.raises(peewee.OperationalError, match="away"):
        pool.take(patience=1)


def test_the_next_query_after_a_restart_of_the_server_succeeds(cable: Cable) -> None:
    with closing(locate(cable.url)) as database:
        assert count(database) == 0
        cable.cut()
        with pytest.raises(peewee.OperationalError) as caught:
            count(database)
        assert cause_of(caught.value) == UNREACHABLE
        with pytest.raises(peewee.OperationalError):  # At once: it is not asked again and again.
            count(database)
        cable.mend()
        time.sleep(1.0)
        assert count(database) == 0
        cable.cut()
        cable.mend()
        assert count(database) == 0


def test_a_connection_that_breaks_in_a_transaction_does_half_of_nothing(cable: Cable) -> None:
    with closing(locate(cable.url)) as database:
        with pytest.raises(peewee.OperationalError), transaction(database):
            subscribe(database, "C1")
            cable.cut()
            cable.mend()
            with pytest.raises(peewee.OperationalError):
                subscribe(database, "C2")
            subscribe(database, "C3")
        assert count(database) == 0


def test_a_failed_statement_is_never_taken_for_a_commit(database: Database) -> None:
    failed = pytest.raises(peewee.OperationalError, match="a statement of the transaction failed")
    with failed, transaction(database):
        subscribe(database, "C1")
        with pytest.raises(peewee.IntegrityError):
            subscribe(database, "C1")
    assert count(database) == 0


def test_writers_wait_for_each_other_and_then_give_up(database: Database) -> None:
    other = database.another(busy_timeout_ms=10)
    locked = pytest.raises(peewee.OperationalError)
    with transaction(database), locked as caught, transaction(other, deadline=0.1):
        pass
    assert cause_of(caught.value) == LOCKED
    with transaction(other, deadline=0.1):
        subscribe(other, "C1")
    other.close()


def test_a_query_that_takes_too_long_is_ended(database: Database) -> None:
    with pytest.raises(QueryTimeout, match=r"longer than 0\.2 s"), database.time_limit(0.2):
        database.execute_sql("SELECT pg_sleep(30)")
    database.execute_sql("SELECT pg_sleep(0.3)")


def test_an_answer_is_read_from_one_snapshot(database: Database) -> None:
    other = database.another(busy_timeout_ms=100)
    with database.time_limit(10.0):
        assert count(database) == 0
        subscribe(other, "C1")
        assert count(database) == 0
        with transaction(database):
            subscribe(database, "C2")
        assert count(database) == 2
    other.close()


def test_followers_are_told_of_a_commit(database: Database) -> None:
    before = database.version()
    with transaction(database):
        subscribe(database, "C1")
    assert database.version() != before


def test_what_a_session_of_a_pooler_still_hears_is_not_kept(database: Database) -> None:
    database.execute_sql("LISTEN tracebot")  # As whoever had the session before.
    for _ in range(20):
        with transaction(database):
            database.announce()
    with pytest.warns(RuntimeWarning, match="together with notifies handlers"):
        kept = list(database.connection().notifies(timeout=0))
    assert len(kept) < 5  # The last ones may be on their way still.


def test_rows_come_the_same_by_copy_and_one_by_one(database: Database) -> None:
    sql = (
        'INSERT INTO "scores" ("trace_id", "name", "user", "value", "recorded_at", "source") '
        "VALUES (%s, %s, %s, %s, %s, %s) "
        'ON CONFLICT ("trace_id", "name", "user", "source") DO UPDATE SET "value" = '
        'EXCLUDED."value" WHERE excluded.recorded_at >= scores.recorded_at'
    )
    rows = [(f"{n % 40:032x}", "n", "u", n / 10, n, "a\tb\\N%s") for n in range(100)]
    stored = []
    for many, known in ((1, None), (100, None), (40, None), (40, {rows[3][0]})):
        database.execute_sql("DELETE FROM scores")
        database.execute_many(sql, rows[3:4])
        for start in range(0, 100, many):
            with transaction(database):
                seen = known if start == 0 else None
                database.execute_many(sql, rows[start : start + many], stored=seen)
        stored.append(database.fetch("SELECT * FROM scores ORDER BY trace_id", ()))
    assert len(stored[0]) == 40
    assert stored[1:] == stored[:1] * 3


def test_keys_of_any_text_reach_the_server(database: Database) -> None:
    echo = LookUp("SELECT column1, column2 FROM {keys}", types=("text", "bigint"), at_a_time=1)
    texts = ('a"b', "c\\", "\\", "{d,e}", "NULL", "", " ", "ü'%s", "f\n")
    keys = [(text, 2**62 + number) for number, text in enumerate(texts)]
    assert echo.rows(database, keys) == keys


def test_one_of_several_processes_applies_the_migrations(new_postgres_url: str) -> None:
    holder, other = locate(new_postgres_url), locate(new_postgres_url)
    holder.execute_sql("DELETE FROM schema_migration WHERE name LIKE '0017%%'")
    with (
        holder.migrating(patience=1.0),
        pytest.raises(TemporarilyUnavailable, match="changing the tables"),
    ):
        prepare(other, patience=0.1)
    holder.close()
    other.close()


def test_the_lock_of_a_migration_outlasts_a_server_that_ends_idle_transactions(
    new_postgres_url: str,
) -> None:
    url = f"{new_postgres_url}&options=-cidle_in_transaction_session_timeout%3D100ms"
    with closing(locate(url)) as one, closing(locate(url)) as other, one.migrating(patience=5):
        time.sleep(0.5)
        with pytest.raises(TemporarilyUnavailable), other.migrating(patience=0.1):
            pass


def test_a_server_keeps_its_files_by_itself(database: Database) -> None:
    assert database.on_server
    assert database.used_bytes() == 0 < database.disk_bytes()
    with closing(open_database(f"{database.url.text}")) as opened:
        assert opened.path == database.path


def test_writers_of_different_things_do_not_wait_for_each_other(database: Database) -> None:
    other = database.another(busy_timeout_ms=10)
    with transaction(database, of={"one", "two"}):
        with transaction(other, deadline=0.1, of={"three"}):
            subscribe(other, "C1")
        for names in ({"two"}, None):
            with pytest.raises(peewee.OperationalError), transaction(other, deadline=0.1, of=names):
                pass
    with transaction(other, deadline=0.1):
        subscribe(other, "C2")
    other.close()


def test_a_trace_that_several_processes_record_at_once_counts_each_span(
    new_postgres_url: str,
) -> None:
    def record(name: int) -> None:
        with closing(locate(new_postgres_url)) as own:
            for number in range(1, 21):
                span = span_of_trace(f"{name:08x}{number:08x}")
                assert store(own, Batch(f"host:{name}:1", number, spans=[span]), deadline=30.0)
            merge_facts(own)

    threads = [threading.Thread(target=record, args=(name,)) for name in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with closing(locate(new_postgres_url)) as database:
        (trace,) = recent_traces(database).traces
        assert (trace.span_count, trace.input_tokens) == (80, 560)
        total = "SELECT sum(input_tokens) FROM rollups WHERE level = 'day' AND dimension = 'all'"
        assert database.fetch(f"{total} AND audience = '*'", ()) == [(560,)]


def span_of_trace(span_id: str) -> Span:
    return Span(
        trace_id="f" * 32,
        span_id=span_id,
        parent_id="a" * 16,
        name="call",
        status="ok",
        provider="anthropic",
        input_tokens=7,
        started_at=NOW,
        ended_at=NOW + 1,
        duration_ns=1,
        process="host:1:1",
    )


def test_after_a_failover_nobody_goes_on_with_the_old_primary(database: Database) -> None:
    name = database.label.rpartition("/")[2]
    setting = f"ALTER DATABASE {name} SET default_transaction_read_only = "
    admin = database.another(busy_timeout_ms=100)
    admin.execute_sql(f"{setting}on")
    with pytest.raises(peewee.OperationalError) as caught, transaction(database):
        subscribe(database, "C1")
    assert cause_of(caught.value) == READ_ONLY
    admin.execute_sql(f"{setting}off")
    subscribe(database, "C1")
    assert count(database) == 1
    admin.close()


FORKING = """
import os, sys
from storage.database.connect import locate
from storage.database.transactions import transaction
database = locate(sys.argv[1])
INSERT = "INSERT INTO subscriptions VALUES ('T1', %s, '09:00', 'UTC', 'U1', 1, 'daily')"
with transaction(database):
    database.execute_sql(INSERT, ("parent",))
    child = os.fork()
    if not child:
        database.execute_sql(INSERT, ("child",))
        os._exit(0)
    os.waitpid(child, 0)
    database.execute_sql(INSERT, ("parent again",))
print(database.fetch("SELECT channel FROM subscriptions ORDER BY channel", ()))
"""


def test_a_forked_process_has_connections_of_its_own(new_postgres_url: str) -> None:
    program = [sys.executable, "-c", FORKING, new_postgres_url]
    done = subprocess.run(program, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.stdout == "[('child',), ('parent',), ('parent again',)]\n"


def test_a_connection_that_is_cut_in_the_middle_of_statements_is_one_error(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """The driver warns of another one, of which nobody can do anything."""
    end_own = "SELECT pg_terminate_backend(pg_backend_pid()), %s::int"
    with pytest.raises(peewee.OperationalError):
        database.execute_many(end_own, [(1,), (2,)] * 2_000)
    assert caplog.text == ""


def test_a_socket_that_asks_for_no_password_is_an_open_door(new_postgres_url: str) -> None:
    folder = parse_qs(urlsplit(new_postgres_url).query)["host"][0]
    with closing(locate(new_postgres_url)) as database:
        assert folder in database.open_doors()
    with closing(locate(new_postgres_url.replace("postgres:@", "zoe:hush@"))) as database:
        assert folder not in database.open_doors()


def test_a_server_that_stands_still_is_given_up_and_one_that_takes_long_is_not(
    cable: Cable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched_connection, "SILENCE_S", 0.2)
    monkeypatch.setitem(server_connection.CONNECT, "connect_timeout", 2)
    with closing(locate(cable.url)) as database:
        assert database.fetch("SELECT 1 FROM pg_sleep(1)", ()) == [(1,)]
        with transaction(database):
            database.execute_sql("SELECT pg_sleep(1)")
        cable.flows.clear()
        with pytest.raises(peewee.OperationalError, match="the server does not answer") as caught:
            count(database)
        assert cause_of(caught.value) == UNREACHABLE
        with pytest.raises(peewee.OperationalError), transaction(database):
            pass
        cable.flows.set()
        with closing(locate(cable.url)) as again:
            assert count(again) == 0
