"""Whether a process that left something behind still runs."""

import os
import subprocess
import sys

from storage.coordination.process_identity import is_alive, new_writer, this_process

AS_ANOTHER_USER = """
import os, sys
from storage.coordination.process_identity import is_alive
if os.getuid() == 0:
    os.setresuid(65534, 65534, 65534)
sys.exit(0 if is_alive(sys.argv[1]) else 3)
"""


def host() -> str:
    return this_process().partition(":")[0]


def test_this_process_is_alive_and_each_of_its_writers_has_a_name_of_its_own() -> None:
    assert is_alive(this_process())
    one, other = new_writer(), new_writer()
    assert one != other
    assert is_alive(one) and is_alive(other)


def test_an_ended_process_is_not_alive() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    assert not is_alive(f"{host()}:{ended.pid}:1")


def test_a_later_process_with_the_same_id_is_not_taken_for_the_one_before() -> None:
    assert not is_alive(f"{host()}:{os.getpid()}:1")
    assert is_alive(f"{host()}:{os.getpid()}:0"), "the start is unknown outside Linux"


def test_a_process_of_another_host_is_taken_to_be_alive() -> None:
    assert is_alive(f"other-{host()}:1:1")


def test_a_process_of_another_user_is_alive() -> None:
    first = f"{host()}:1:0"
    command = [sys.executable, "-c", AS_ANOTHER_USER, first]
    assert subprocess.run(command, check=False, timeout=30).returncode == 0
