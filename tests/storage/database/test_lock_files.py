"""Processes take turns by lock files."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from storage.database.lock_files import locked

HOLD = """
import sys, time
from pathlib import Path
from storage.database.lock_files import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def hold(path: Path, seconds: float) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", HOLD, str(path), str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def test_a_lock_that_another_process_holds_is_waited_for(tmp_path: Path) -> None:
    with hold(tmp_path / "lock", 0.3) as process, locked(tmp_path / "lock"):
        assert process.wait(10) == 0


def test_a_lock_is_waited_for_only_so_long(tmp_path: Path) -> None:
    with hold(tmp_path / "lock", 60) as process:
        for patience in (0.0, 0.1):
            began = time.monotonic()
            with pytest.raises(BlockingIOError), locked(tmp_path / "lock", patience=patience):
                pass
            assert time.monotonic() - began >= patience
        process.kill()


def test_a_lock_ends_with_the_process_that_held_it(tmp_path: Path) -> None:
    with hold(tmp_path / "lock", 60) as process:
        process.kill()
    with locked(tmp_path / "lock", patience=0):
        pass


def test_readers_share_a_lock_and_keep_a_writer_out(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with (
        locked(path, shared=True),
        locked(path, shared=True, patience=0),
        pytest.raises(BlockingIOError),
        locked(path, patience=0),
    ):
        pass


def test_a_block_that_fails_leaves_no_lock_and_no_open_file(tmp_path: Path) -> None:
    before = len(os.listdir("/dev/fd"))
    with pytest.raises(KeyError), locked(tmp_path / "lock"):
        raise KeyError
    assert len(os.listdir("/dev/fd")) == before
    with locked(tmp_path / "lock", patience=0):
        pass
