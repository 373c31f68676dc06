"""On a server, the spans of a day lie together, and are dropped when all of them are due."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from playhouse.migrations import Runner

from storage import Observability
from storage.database import server_locks
from storage.database.base import Database
from storage.database.connect import locate
from storage.database.migrations import HERE, HISTORY
from storage.database.partitions import ADD, AHEAD, add_partitions, keep_ahead, partitions
from storage.database.statements import LookUp
from storage.database.transactions import transaction
from storage.model.batch import Batch
from storage.model.retention import DAY_NS, Retention
from storage.model.span import Span
from storage.queries.removed_traces import removed_traces
from storage.queries.statistics import statistics
from storage.store.batch import store
from storage.store.deduplication import STORED
from storage.store.replaced import REPLACED
from storage.upkeep.retention import apply_retention
from storage.writer import merging
from tests.support.conversations import eventually

TODAY = 20_000 * DAY_NS
RANDOM = "e3b0c44298fc1c149afbf4c8996fb924"
THREE_DAYS = Retention(older_than_ns=3 * DAY_NS)


@pytest.fixture
def database(new_postgres_url: str) -> Iterator[Database]:
    """Open a database to which nobody has added a partition."""
    with closing(locate(new_postgres_url)) as database:
        for name in ("spans_past", *names(database)):
            database.execute_sql(f'DROP TABLE "{name}"')
        yield database


def span(days: float, number: int = 1, *, trace_id: str | None = None, **facts: object) -> Span:
    began = TODAY + int(days * DAY_NS) + number
    given = {"status": "ok", "ended_at": began + 5, "duration_ns": 5, "audience": "T1", **facts}
    trace_id = trace_id or f"{began // 10**6:012x}{number:020x}"
    return Span(trace_id, f"{number:016x}", "n", started_at=began, **given)  # type: ignore[arg-type]


def put(database: Database, *spans: Span, number: int = 1) -> None:
    assert store(database, Batch(f"host:1:{number}", number, spans=list(spans)))


def stored(database: Database, partition: str = "spans") -> int:
    return int(database.fetch(f"SELECT count(*) FROM {partition}", ())[0][0])


def names(database: Database) -> list[str]:
    return [each.name for each in partitions(database)]


def test_the_next_days_have_partitions_and_everything_else_is_stored_as_well(
    database: Database,
) -> None:
    add_partitions(database, now=TODAY + 5)
    add_partitions(database, now=TODAY + 6)
    assert len(names(database)) == AHEAD + 1
    sent = [span(0), span(1.5), span(-40), span(99), span(0, 9, trace_id=RANDOM)]
    put(database, *sent)
    put(database, *sent, number=2)
    counts = [stored(database, name) for name in ("spans", *names(database)[:2])]
    assert counts == [5, 1, 1]
    others = [stored(database, f"spans_{name}") for name in ("past", "default", "random")]
    assert others == [1, 1, 1]


@pytest.mark.parametrize("look_up", [STORED, REPLACED])
def test_a_batch_looks_its_spans_up_in_their_own_days_only(
    database: Database, look_up: LookUp
) -> None:
    add_partitions(database, now=TODAY)
    sent = [span(day, process=None) for day in (0.5, 1.5, 2.5)]
    put(database, *sent)
    asked = [(each.trace_id, each.span_id, "host:1:2") for each in (sent[0], sent[2], sent[2])]
    keys = [key[: 3 if look_up is REPLACED else 2] for key in asked]
    with database.snapshot():
        found = {row[0] for row in look_up.rows(database, keys)}
        locks = "SELECT relation::regclass::text FROM pg_locks WHERE pid = pg_backend_pid()"
        planned = {name for (name,) in database.fetch(locks, ())}
    assert found == {sent[0].trace_id, sent[2].trace_id}
    first, _, third, *_ = names(database)
    assert {name for name in planned if name in names(database)} == {first, third}


def test_some_spans_of_a_long_trace_are_looked_up_without_reading_all_of_it(
    database: Database,
) -> None:
    add_partitions(database, now=TODAY)
    trace_id = span(0.5).trace_id
    sent = [span(0.5, number, trace_id=trace_id) for number in range(5_000)]
    put(database, *sent)
    with database.snapshot():
        rows = STORED.rows(database, [(each.trace_id, each.span_id) for each in sent[:200]])
        read = (
            "SELECT sum(coalesce(idx_tup_fetch, 0) + coalesce(seq_tup_read, 0)) "
            "FROM pg_stat_xact_user_tables WHERE relname LIKE 'spans%'"
        )
        [(count,)] = database.fetch(read, ())
    assert len(rows) == 200
    assert count <= 200


def test_spans_that_came_before_the_partition_of_their_day_move_there(database: Database) -> None:
    put(database, span(0.3, status="running", ended_at=None), span(-1))
    add_partitions(database, now=TODAY)
    assert (stored(database, names(database)[0]), stored(database, "spans_past")) == (1, 1)
    put(database, span(0.3), number=2)
    assert database.fetch("SELECT status FROM spans ORDER BY trace_id DESC LIMIT 1", ()) == [
        ("ok",)
    ]


def test_a_program_that_records_alone_adds_the_next_days(
    new_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "LOOK_AHEAD_S", 0.0)
    with Observability.open(new_postgres_url, platform="cli") as observability:
        database = observability.database
        days = names(database)
        assert len(days) == AHEAD + 1
        database.execute_sql(f'DROP TABLE "{days[-1]}"')  # As a day later.
        with observability.span("today"):
            pass
        assert observability.flush()
        eventually(lambda: names(database) == days)
        assert [stored(database, name) for name in (days[0], "spans_default")] == [1, 0]


def test_who_may_only_insert_records_without_adding_days(new_postgres_url: str) -> None:
    with closing(locate(new_postgres_url)) as admin:
        admin.execute_sql(f'DROP TABLE "{names(admin)[-1]}"')
        admin.execute_sql("CREATE ROLE porter LOGIN")
        admin.execute_sql("GRANT ALL ON ALL TABLES IN SCHEMA public TO porter")
        admin.execute_sql("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO porter")
        porter = new_postgres_url.replace("postgres:@", "porter@")
        with Observability.open(porter, platform="cli") as observability:
            with observability.span("today"):
                pass
            assert observability.flush()
        assert (len(names(admin)), stored(admin)) == (AHEAD, 1)
        admin.execute_sql("DROP OWNED BY porter")
        admin.execute_sql("DROP ROLE porter")


def test_wrong_clocks_cost_no_day(database: Database) -> None:
    in_2100, in_1970 = (year * 365.25 - 20_000 for year in (130, 0.001))
    add_partitions(database, now=TODAY + int(in_2100 * DAY_NS))
    put(database, span(in_2100 + 30), span(in_1970), span(0))
    with transaction(database):  # What a bot added whose clock was wrong, before `spans_past`.
        database.execute_sql("ALTER TABLE spans DETACH PARTITION spans_past")
        database.execute_sql("INSERT INTO spans SELECT * FROM spans_past")
        database.execute_sql("DROP TABLE spans_past")

    add_partitions(database, now=TODAY)

    assert len(names(database)) == 2 * (AHEAD + 1)
    days = ("spans_past", names(database)[0], "spans_default")
    assert [stored(database, name) for name in days] == [1, 1, 1]
    assert stored(database) == 3


def test_many_spans_of_a_day_stay_where_they_are(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.database.partitions.MOST_MOVED", 3)
    add_partitions(database, now=TODAY)
    put(database, *(span(AHEAD + 1.5, number) for number in range(1, 4)))
    put(database, *(span(AHEAD + 2.5, number) for number in range(1, 3)), number=2)
    before = names(database)

    add_partitions(database, now=TODAY + 3 * DAY_NS)

    assert len(names(database)) == len(before) + 2
    counts = [stored(database, name) for name in ("spans_default", names(database)[-2], "spans")]
    assert counts == [3, 2, 5]
    removal = apply_retention(database, THREE_DAYS, now=TODAY + 20 * DAY_NS)
    assert (removal.spans, stored(database)) == (5, 0)


def test_a_table_of_an_earlier_version_keeps_its_spans(empty_postgres: Database) -> None:
    database = empty_postgres
    Runner(database, str(HERE), table_name=HISTORY).up("0020_processes")
    for trace_id in (span(0).trace_id, RANDOM):
        database.execute_sql(
            "INSERT INTO spans (trace_id, span_id, name, kind, status, started_at) "
            "VALUES (%s, '0000000000000001', 'n', 'internal', 'running', 1)",
            (trace_id,),
        )
    Runner(database, str(HERE), table_name=HISTORY).up()
    assert stored(database) == 2
    put(database, span(0), span(0, trace_id=RANDOM))
    assert database.fetch("SELECT DISTINCT status FROM spans", ()) == [("ok",)]
    assert stored(database) == 2


def test_retention_drops_the_days_in_which_everything_is_due(database: Database) -> None:
    add_partitions(database, now=TODAY)
    dropped, half, kept = names(database)[:3]
    old = [span(days, number) for number, days in enumerate((0.1, 0.2, 0.9, 1.2, 1.8), 1)]
    put(database, *old, span(1.3, 8, status="running", ended_at=None), span(2.5, 9))
    before = statistics(database, since=TODAY, until=TODAY + 9 * DAY_NS).total
    removal = apply_retention(database, THREE_DAYS, now=TODAY + 5 * DAY_NS)
    assert (removal.traces, removal.spans) == (5, 5)
    assert dropped not in names(database)
    assert [stored(database, name) for name in (half, kept)] == [1, 1]
    assert statistics(database, since=TODAY, until=TODAY + 9 * DAY_NS).total == before
    assert removed_traces(database, old[0].trace_id)
    # A span that comes later than the drop is stored, too, and removed as on a file.
    put(database, span(0.1, 7), number=2)
    assert apply_retention(database, THREE_DAYS, now=TODAY + 5 * DAY_NS).traces == 1
    assert stored(database) == 2


def test_a_day_that_somebody_reads_is_deleted_row_by_row(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_partitions(database, now=TODAY)
    put(database, span(0.5))
    monkeypatch.setattr(server_locks, "DDL_WAIT_S", 0.05)
    reader = database.another(busy_timeout_ms=1_000)
    with reader.time_limit(60):
        assert stored(reader) == 1
        apply_retention(database, THREE_DAYS, now=TODAY + 5 * DAY_NS)
    assert stored(database) == 0
    apply_retention(database, THREE_DAYS, now=TODAY + 5 * DAY_NS)
    reader.close()


def test_a_partition_that_stays_is_not_added_twice_by_two_processes(database: Database) -> None:
    add_partitions(database, now=TODAY)
    with transaction(database):
        database.execute_sql(f'DROP TABLE "{names(database)[-1]}"')
    add_partitions(database, now=TODAY)
    assert len(names(database)) == AHEAD + 1


def test_a_process_that_waits_while_another_adds_a_day_finds_it(
    new_postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(locate(new_postgres_url)) as database, closing(locate(new_postgres_url)) as other:
        last = partitions(database)[-1]
        database.execute_sql(f'DROP TABLE "{last.name}"')
        with ThreadPoolExecutor(1) as pool:
            with transaction(database):
                added = pool.submit(keep_ahead, other)
                waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                eventually(lambda: database.fetch(waiting, ()))
                for statement in ADD:
                    database.execute_sql(statement.format(*last))
            added.result()
        assert len(names(database)) == AHEAD + 1
    assert "added later" not in caplog.text
