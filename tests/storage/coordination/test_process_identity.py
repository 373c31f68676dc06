"""Whether a process that left something behind still runs."""

import multiprocessing
import os
import subprocess
import sys

import pytest

from storage.coordination.heartbeats import dead_processes
from storage.coordination.leases import acquire_lease, release_lease_of_dead
from storage.coordination.process_identity import (
    is_alive,
    is_local,
    new_writer,
    os_process,
    this_process,
)
from storage.database.base import Database

AS_ANOTHER_USER = """
import os, sys
from storage.coordination.process_identity import is_alive
if os.getuid() == 0:
    os.setresuid(65534, 65534, 65534)
sys.exit(0 if is_alive(sys.argv[1]) else 3)
"""

TELL_NAME = """
from storage.coordination.process_identity import this_process
print(this_process(), flush=True)
input()
"""


def host() -> str:
    return this_process().partition(":")[0]


def named(*, pid: int | None = None, **parts: str) -> str:
    """Return the name of this process with other parts."""
    ours, own_pid, identity = this_process().split(":")
    known = dict(zip(("start", "boot", "namespace", "random"), identity.split("-"), strict=True))
    return f"{ours}:{pid or own_pid}:{'-'.join({**known, **parts}.values())}"


def test_this_process_is_alive_and_each_of_its_writers_has_a_name_of_its_own() -> None:
    assert is_alive(this_process())
    one, other = new_writer(), new_writer()
    assert one != other
    assert os_process(one) == os_process(other) == this_process()
    assert is_alive(one) and is_alive(other)


def test_a_forked_child_has_a_name_of_its_own() -> None:
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(this_process) != this_process()


def test_an_ended_process_is_not_alive() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    assert not is_alive(named(pid=ended.pid))
    assert not is_alive(f"{host()}:{ended.pid}:1"), "as an earlier version named it"


def test_a_killed_process_is_not_alive_though_nobody_has_waited_for_it() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", TELL_NAME], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        name = process.stdout.readline().strip()
        assert is_alive(name)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not is_alive(name)


def test_a_later_process_with_the_same_id_is_not_taken_for_the_one_before() -> None:
    assert not is_alive(named(start="1"))
    assert not is_alive(f"{host()}:{os.getpid()}:1")
    assert is_alive(f"{host()}:{os.getpid()}:0"), "the start is unknown outside Linux"


def test_a_process_of_another_host_is_taken_to_be_alive() -> None:
    assert is_alive(f"other-{host()}:1:1")


@pytest.mark.parametrize("part", ["boot", "namespace"])
def test_another_machine_of_the_same_name_is_not_taken_for_this_one(part: str) -> None:
    """Containers of one image all have a process 1, and may be named alike."""
    ended = named(pid=4_194_304, **{part: "1"})
    assert is_alive(ended) and not is_local(ended)
    alive = named(**{part: "1"})
    assert is_alive(alive) and not is_local(alive)


def test_a_lease_of_another_machine_of_the_same_name_is_not_given_up(
    any_database: Database,
) -> None:
    def is_free_after(owner: str) -> bool:
        acquire_lease(any_database, owner, owner=owner, now=1, lease_ns=1_000)
        release_lease_of_dead(any_database, owner)
        return acquire_lease(any_database, owner, owner="b:1:1", now=2, lease_ns=1_000)

    assert not is_free_after(named(pid=4_194_304, namespace="1"))
    assert is_free_after(named(pid=4_194_304))


def test_processes_of_before_a_reboot_have_ended_if_they_used_the_same_file(
    any_database: Database,
) -> None:
    before = named(boot="1")
    assert bool(dead_processes(any_database, [before])) is not any_database.on_server


def test_a_process_of_another_user_is_alive() -> None:
    first = f"{host()}:1:0"
    command = [sys.executable, "-c", AS_ANOTHER_USER, first]
    assert subprocess.run(command, check=False, timeout=30).returncode == 0
