"""What root makes beside a database belongs to its user, as after a command with sudo."""

import os
from pathlib import Path

import pytest

from storage.database.private_file import open_private
from storage.model.erasure import Erasure
from storage.recovery.backup import backup, restore
from storage.recovery.opening import open_database
from storage.store.erasure_log import append, erasure_log
from storage.store.spool_files import spool_folder
from storage.writer.spool import SpoolFile

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")

USER = (65533, 65532)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of another user."""
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o700)
    os.chown(folder, *USER)
    return folder


def test_what_root_makes_beside_a_database_belongs_to_its_user(folder: Path) -> None:
    database = open_database(folder / "t.db")
    backup(database, folder / "copy.db")
    append(erasure_log(database.path), Erasure(at=1, by="shell", user="U1"))
    SpoolFile.create(spool_folder(database.path) / "1.spool").close()
    restore(database, folder / "copy.db", force=True)
    database.close()
    made = {path.relative_to(folder).name: path.stat() for path in folder.rglob("*")}
    assert {"t.db", "copy.db", "t.db.backups", "t.db.erasures", "t.db.spool", "1.spool"} < set(made)
    assert {(each.st_uid, each.st_gid) for each in made.values()} == {USER}
    assert {each.st_mode & 0o077 for each in made.values()} == {0}


@pytest.mark.parametrize("there", [True, False])
def test_nobody_is_given_a_file_to_which_their_link_leads(folder: Path, there: bool) -> None:
    target = folder.parent / "of-root"
    if there:
        target.touch()
    (folder / "t.db.erasures").symlink_to(target)
    os.close(open_private(folder / "t.db.erasures", os.O_WRONLY))
    assert target.stat().st_uid == 0
