"""A database of any version ends with the tables that the models describe."""

import ast
import logging
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from peewee import Database, SqliteDatabase, TextField
from playhouse.migrations import Runner

from storage.database.connect import connect
from storage.database.migrations import HERE, HISTORY, migrate, missing
from storage.database.models import TABLES, SpanRow
from tests.support.schema import schema_of, search_index_of

MIGRATIONS = sorted(HERE.glob("[0-9]*.py"))
NAMES = [path.stem for path in MIGRATIONS]


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Connect to a database without tables, of each kind."""
    if request.param == "postgresql":
        yield request.getfixturevalue("empty_postgres")
        return
    database = connect(tmp_path / "empty.db")
    yield database
    database.close()


def apply(database: Database, folder: Path = HERE, *, target: str | None = None) -> None:
    Runner(database, str(folder), table_name=HISTORY).up(target)


def create_models(database: Database) -> None:
    for table in TABLES:
        with table.bind_ctx(database), pytest.MonkeyPatch.context() as patch:
            if not isinstance(database, SqliteDatabase):  # Peewee would ask any database for it.
                patch.setattr(table._meta, "without_rowid", False)
            table.create_table()


def clear(database: Database) -> None:
    for name in database.get_tables():
        database.execute_sql(f'DROP TABLE IF EXISTS "{name}"')


def schema_of_models(database: Database) -> list[tuple[str, str, str]]:
    create_models(database)
    schema = schema_of(database)
    clear(database)
    return schema


def test_a_new_database_has_the_tables_of_the_models(empty: Database) -> None:
    expected = schema_of_models(empty)
    apply(empty)
    assert schema_of(empty) == expected


@pytest.mark.parametrize("version", NAMES[:-1])
def test_a_database_of_an_earlier_version_gets_the_tables_of_the_models(
    empty: Database, version: str
) -> None:
    expected = schema_of_models(empty)
    apply(empty, target=version)
    assert missing(empty)
    apply(empty)
    assert schema_of(empty) == expected


@pytest.mark.parametrize("version", NAMES[:-1])
def test_a_database_of_an_earlier_version_gets_the_search_index(
    tmp_path: Path, version: str
) -> None:
    found = []
    for name, target in (("new.db", None), ("old.db", version)):
        database = connect(tmp_path / name)
        apply(database, target=target)
        apply(database)
        found.append(search_index_of(database))
        database.close()
    assert found[0] == found[1]
    assert {"search_index", "search_queue", "search_added"} <= {name for _, name, _ in found[0]}


@pytest.mark.parametrize("version", ["0001_initial", "0002_upkeep"])
def test_a_database_that_got_all_tables_with_its_first_migration_is_brought_up_to_date(
    empty: Database, version: str
) -> None:
    """Migrations 0001 and 0002 created today's models until their SQL was frozen."""
    expected = schema_of_models(empty)
    create_models(empty)
    Runner(empty, str(HERE), table_name=HISTORY).fake(version)
    apply(empty)
    assert schema_of(empty) == expected


def test_a_column_added_to_a_model_comes_with_its_own_migration(
    empty: Database, tmp_path: Path
) -> None:
    folder = tmp_path / "migrations"
    shutil.copytree(HERE, folder)
    (folder / "9000_note.py").write_text(
        "def up(migrator, database):\n"
        "    database.execute_sql('ALTER TABLE spans ADD COLUMN note TEXT')\n"
    )
    SpanRow._meta.add_field("note", TextField(null=True))
    try:
        apply(empty, folder)
        SpanRow.select(SpanRow.note).execute(empty)
    finally:
        SpanRow._meta.remove_field("note")
        del SpanRow.note


@pytest.mark.parametrize("path", MIGRATIONS, ids=NAMES)
def test_a_migration_imports_nothing_that_changes_with_the_code(path: Path) -> None:
    allowed = {"typing", "peewee", "storage.database.migrations.frozen_sql"}
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")
    assert imported <= allowed


def test_migrations_are_numbered_without_gaps() -> None:
    assert [int(name[:4]) for name in NAMES] == list(range(1, len(NAMES) + 1))
    assert all(re.fullmatch(r"\d{4}_[a-z_]+", name) for name in NAMES)


def test_a_database_that_is_up_to_date_is_left_alone(tmp_path: Path) -> None:
    database = connect(tmp_path / "t.db")
    assert migrate(database) == NAMES
    assert migrate(database) == []
    database.close()


def test_only_an_older_database_is_said_to_be_brought_up_to_date(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tracebot")
    database = connect(tmp_path / "t.db")
    apply(database, target=NAMES[-3])
    assert migrate(database) == NAMES[-2:]
    told = f"The tables of {tmp_path}/t.db were brought up to {NAMES[-1]}."
    assert [each.getMessage() for each in caplog.records if each.name != "peewee.migrations"] == [
        told
    ]
    clear(database)
    caplog.clear()
    assert migrate(database) == NAMES
    assert told not in caplog.text
    database.close()
