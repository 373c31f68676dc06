"""Where a database may be, and which SQLite may open it."""

from pathlib import Path

import pytest

from storage.database.connect import locate
from storage.database.filesystem import refuse_network_file_system
from storage.database.shared_file import SharedDatabase
from storage.errors import StorageError


def test_without_a_mount_table_any_place_is_accepted(tmp_path: Path) -> None:
    refuse_network_file_system(tmp_path / "t.db", mounts=tmp_path / "missing")


def test_a_place_that_the_mount_table_does_not_name_is_accepted(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("server:/home /elsewhere nfs4 rw 0 0\n")
    refuse_network_file_system(tmp_path / "t.db", mounts=mounts)


def test_an_old_sqlite_is_refused_with_advice(
    db_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SharedDatabase, "server_version", (3, 40, 1))
    with pytest.raises(StorageError, match=r"SQLite 3\.40\.1 can corrupt.*install cysqlite"):
        locate(db_path)
