"""What changes while Litestream replicates the database, shown by the folder that it keeps.

`tests/soak/test_litestream.py` runs the program itself.
"""

import os
import time

import pytest

from reports.views.health import HealthView, health_view
from storage import Observability
from storage.database.shared_file import SharedDatabase
from storage.health import health, log_size
from storage.upkeep.checkpoint import checkpoint
from storage.upkeep.erasure import empty_log
from storage.upkeep.litestream import litestream_folder, replication
from tests.support.factories import MINUTE, SECOND, record

pytestmark = pytest.mark.usefixtures("db_path")  # Of a file, also with `--postgres`.


def copied(database: SharedDatabase, *, at: int, kept: int = MINUTE) -> None:
    """Leave what Litestream leaves when it copies: files of the last five minutes, at most."""
    folder = litestream_folder(database.path) / "ltx" / "0"
    folder.mkdir(parents=True, exist_ok=True)
    for number, when in ((9, at - 600 * MINUTE), (10, at - kept), (11, at)):
        file = folder / f"{number:016x}-{number:016x}.ltx"
        file.touch()
        os.utime(file, ns=(when, when))


@pytest.fixture
def database(observability: Observability) -> SharedDatabase:
    """Record a trace that began ten minutes ago."""
    record(observability, "work", ago=10 * MINUTE, ms=5, now=time.time_ns())
    assert observability.flush()
    return observability.database


def seen(database: SharedDatabase) -> HealthView:
    now = time.time_ns()
    return health_view(health(database, now=now), now=now, private=False)


def test_the_log_is_left_to_litestream_while_it_copies(database: SharedDatabase) -> None:
    copied(database, at=time.time_ns() + SECOND)
    size = log_size(database.path)
    for result in (checkpoint(database), checkpoint(database, "truncate"), empty_log(database)):
        assert (result.left, result.complete) == (True, False)
        assert "Litestream replicates the database" in result.reason
    assert log_size(database.path) == size > 0


def test_a_commit_of_this_moment_is_not_late(database: SharedDatabase) -> None:
    copied(database, at=time.time_ns() - 10 * MINUTE - 5 * SECOND)
    found = replication(database)
    assert found is not None and found.waiting_since is not None
    assert not found.is_late(found.waiting_since + 30 * SECOND)
    assert found.is_late(found.waiting_since + 90 * SECOND)


def test_the_log_is_moved_again_if_litestream_has_stopped(database: SharedDatabase) -> None:
    copied(database, at=time.time_ns() - 20 * MINUTE)
    assert checkpoint(database, "truncate").complete
    assert log_size(database.path) == 0


def test_a_replica_without_the_newest_traces_is_a_warning(database: SharedDatabase) -> None:
    copied(database, at=time.time_ns() - 20 * MINUTE)
    view = seen(database)
    assert [problem.fact for problem in view.problems] == ["Litestream"]
    shown = dict(view.facts)["Litestream"]
    assert shown.startswith("⚠ last copied 20 min ago: what was recorded after that, first 10 min")
    assert "start it again" in view.problems[0].advice


def test_health_says_that_litestream_replicates_the_database(database: SharedDatabase) -> None:
    assert "Litestream" not in dict(seen(database).facts)
    copied(database, at=time.time_ns())
    facts = dict(seen(database).facts)
    assert facts["Litestream"] == "replicates this database, last copied just now"
    assert facts["Checkpoint"] == "left to Litestream"


def test_traces_with_a_time_in_the_future_do_not_make_a_replica_late(
    observability: Observability, database: SharedDatabase
) -> None:
    record(observability, "ahead", ago=-MINUTE, ms=5, now=time.time_ns())
    assert observability.flush()
    copied(database, at=time.time_ns() + SECOND)
    found = replication(database)
    assert found is not None and not found.is_late(time.time_ns() + 10 * MINUTE)


def test_a_log_that_litestream_would_not_empty_yet_is_no_problem(
    database: SharedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.health.log_size", lambda path: 450_000_000)
    assert [problem.fact for problem in seen(database).problems] == ["Log"]
    copied(database, at=time.time_ns() + SECOND)
    assert seen(database).ok


def test_copies_that_do_not_reach_the_replica_are_a_warning(database: SharedDatabase) -> None:
    copied(database, at=time.time_ns() + SECOND, kept=130 * MINUTE)
    view = seen(database)
    assert [problem.fact for problem in view.problems] == ["Litestream"]
    assert "wait beside the database, first 2 h ago" in dict(view.facts)["Litestream"]
    assert "why the replica cannot be reached" in view.problems[0].advice
