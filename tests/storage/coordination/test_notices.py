"""What one process changed, the others hear of, in order and once."""

from storage.coordination.notices import KEPT_NS, Notice, notices_since, post_notice
from storage.database.base import Database
from storage.database.models import NoticeRow

NOW = 1_800_000_000_000_000_000
A, B = "host:1:1:1", "host:2:1:1"


def post(
    database: Database, key: str, *, process: str = A, team: str = "T1", now: int = NOW
) -> None:
    post_notice(database, Notice("thread", key), team=team, process=process, now=now)


def heard(database: Database, last: int = 0, *, process: str = B) -> tuple[int, list[str]]:
    last, notices = notices_since(database, last, team="T1", process=process)
    return last, [each.key for each in notices]


def test_the_others_hear_of_a_change_once_and_in_order(any_database: Database) -> None:
    assert heard(any_database) == (0, [])
    post(any_database, "C1:1.1")
    post(any_database, "C1:2.2")
    post(any_database, "C2:1.1", team="T2")
    last, keys = heard(any_database)
    assert keys == ["C1:1.1", "C1:2.2"]
    assert heard(any_database, last) == (last, [])
    post(any_database, "C1:3.3")
    assert heard(any_database, last)[1] == ["C1:3.3"]
    assert heard(any_database, process=A)[1] == []


def test_old_notices_are_removed_and_none_is_passed_over(any_database: Database) -> None:
    post(any_database, "old")
    last, _ = heard(any_database)
    for number in range(3):
        post(any_database, f"new {number}", now=NOW + (number + 1) * (KEPT_NS + 1))
        last, keys = heard(any_database, last)
        assert keys == [f"new {number}"]
    assert NoticeRow.select().count(any_database) == 2


def test_after_a_backup_was_restored_notices_are_heard_again(any_database: Database) -> None:
    post(any_database, "kept")
    assert heard(any_database, last=500)[1] == ["kept"]
