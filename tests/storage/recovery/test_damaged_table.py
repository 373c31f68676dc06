"""Read a table without row ids, the rollups, around pages that are really broken."""

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from storage.database.driver import Connection
from storage.database.models import RollupRow
from storage.database.statements import Statement, compiled, insert
from storage.database.transactions import transaction
from storage.recovery import damaged_table
from storage.recovery.damaged_table import readable, sections
from storage.recovery.merging import Table
from storage.recovery.opening import open_database
from storage.recovery.replacement import finish_recoveries, recover, recoveries
from storage.store.grains import HOUR_NS
from storage.store.histogram import extended
from storage.store.rollups import INSERT_FIELDS, SUMS

PAGE = 4_096
INNER, LEAF = 0x02, 0x0A
"""First bytes of a table without row ids: https://sqlite.org/fileformat2.html#b_tree_pages."""

FIRST_HOUR = 490_000
HOURS, USERS = 150, 70
ROLLUPS = Table("rollups", INSERT_FIELDS)

INSERT = Statement(lambda database: compiled(insert(RollupRow, INSERT_FIELDS), database))

Rows = set[tuple[Any, ...]]


def some_rollups() -> Iterator[tuple[Any, ...]]:
    for level, dimension, users in (
        *(("hour", "all", 1), ("hour", "user", USERS)),
        *(("day", "all", 1), ("day", "user", USERS)),
    ):
        for hour in range(0, HOURS, 24 if level == "day" else 1):
            for user in range(users):
                starts_at = (FIRST_HOUR + hour) * HOUR_NS
                latency = extended(None, [hour + 1, user + 1])
                key = f"U{user}" if dimension == "user" else ""
                sums = (hour, user, *[1] * (len(SUMS) - 2))
                yield (level, starts_at, dimension, key, "T1", "T1", *sums, latency)


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the bytes of a database with 150 hours and 7 days of 70 users."""
    path = tmp_path_factory.mktemp("healthy") / "t.db"
    database = open_database(path)
    with transaction(database):
        INSERT.execute_many(database, list(some_rollups()))
    database.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    database.close()
    return path.read_bytes()


class Pages:
    """The pages of the rollups in a file, in the order of their keys."""

    def __init__(self, path: Path) -> None:
        self.path = path
        connection = Connection(str(path))
        sql = "SELECT rootpage FROM sqlite_master WHERE name = 'rollups'"
        self.root = int(connection.execute_scalar(sql))
        connection.close()
        self._content = path.read_bytes()
        self.children: dict[int, list[int]] = {}
        self.leaves: list[int] = []
        self._walk(self.root)

    def _walk(self, number: int) -> None:
        page = self._content[(number - 1) * PAGE : number * PAGE]
        if page[0] == LEAF:
            self.leaves.append(number)
            return
        assert page[0] == INNER
        places = struct.unpack_from(f">{self.rows(number)}H", page, 12)
        last = struct.unpack_from(">I", page, 8)[0]
        children = [*(struct.unpack_from(">I", page, place)[0] for place in places), last]
        self.children[number] = children
        for child in children:
            self._walk(child)

    def rows(self, number: int) -> int:
        return int(struct.unpack_from(">H", self._content, (number - 1) * PAGE + 3)[0])

    def damage(self, *numbers: int) -> None:
        with self.path.open("r+b") as file:
            for number in numbers:
                file.seek((number - 1) * PAGE)
                file.write(os.urandom(PAGE))


@pytest.fixture
def pages(healthy: bytes, db_path: Path) -> Pages:
    db_path.write_bytes(healthy)
    return Pages(db_path)


def read(path: Path) -> Rows:
    """Return all readable rows, each of which is read once."""
    source = Connection(str(path))
    found = sections(source, ROLLUPS)[0]
    rows = [
        row[1:]
        for section in found
        for some in readable(source, section, low=section.low)
        for row in some
    ]
    source.close()
    assert len(rows) == len(set(rows))
    return set(rows)


@pytest.mark.parametrize("chunk", [1, 3, 70, 500, 10_000])
def test_all_rows_are_read_once_if_none_is_broken(
    pages: Pages, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(damaged_table, "CHUNK", chunk)
    assert read(pages.path) == set(some_rollups())


@pytest.mark.parametrize("chunk", [7, 500])
def test_a_broken_page_costs_its_own_rows(
    pages: Pages, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(damaged_table, "CHUNK", chunk)
    content = pages.path.read_bytes()
    assert len(pages.leaves) > 100
    for place in (0, 40, len(pages.leaves) - 1):
        pages.path.write_bytes(content)
        leaf = pages.leaves[place]
        pages.damage(leaf)
        rows = read(pages.path)
        assert rows < set(some_rollups())
        assert len(set(some_rollups()) - rows) == pages.rows(leaf)


def test_broken_pages_of_different_hours_cost_their_own_rows(pages: Pages) -> None:
    broken = pages.leaves[2::8]
    pages.damage(*broken)
    rows = read(pages.path)
    assert rows < set(some_rollups())
    assert len(set(some_rollups()) - rows) == sum(map(pages.rows, broken))


@pytest.mark.parametrize("which", [0, 1])
def test_a_broken_inner_page_costs_what_lies_under_it(
    pages: Pages, monkeypatch: pytest.MonkeyPatch, which: int
) -> None:
    monkeypatch.setattr(damaged_table, "UNKNOWN_HOURS", 200)
    broken = pages.children[pages.root][which]
    pages.damage(broken)
    rows = read(pages.path)
    assert rows < set(some_rollups())
    assert len(set(some_rollups()) - rows) == sum(
        map(pages.rows, [broken, *pages.children[broken]])
    )


def test_nothing_is_read_and_nothing_fails_if_the_first_page_is_broken(pages: Pages) -> None:
    pages.damage(pages.root)
    assert read(pages.path) == set()


def test_an_empty_table_has_no_sections(db_path: Path) -> None:
    open_database(db_path).close()
    source = Connection(str(db_path))
    assert sections(source, ROLLUPS) == ([], 0)
    source.close()


def test_the_rollups_of_a_damaged_database_are_in_the_new_one(pages: Pages) -> None:
    leaf = pages.leaves[len(pages.leaves) // 2]
    pages.damage(leaf)
    database = open_database(pages.path)
    database.execute_sql("SELECT 1").fetchall()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("storage.recovery.replacement._salvage_quietly", lambda path: None)
        assert recover(database)
    finish_recoveries(database, wait=True)
    (recovery,) = recoveries(database)
    every = len(list(some_rollups()))
    assert recovery.saved["rollups"] == every - pages.rows(leaf)
    assert recovery.lost["rollups"] is None  # Nothing else counts the rows.
    fields = [getattr(RollupRow, name) for name in INSERT_FIELDS]
    saved = set(RollupRow.select(*fields).tuples().execute(database))
    assert saved < set(some_rollups())
    assert len(saved) == every - pages.rows(leaf)
    database.close()
