"""Forked and spawned processes record by themselves, and disturb nobody."""

import multiprocessing
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from storage import Observability
from storage.database.models import SpanRow
from storage.database.shared_file import SharedDatabase
from tests.support.recorded_names import names, run, until

FORK_SCRIPT = """
import os, sys, threading, time, warnings
from storage import Observability
# Its own thread makes this process multi-threaded, which Python 3.12 and later warn about.
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
observability = Observability.open(sys.argv[1], platform="cli")
done = threading.Event()
def work():
    while not done.is_set():
        with observability.span("parent's"): pass
        time.sleep(0.001)
thread = threading.Thread(target=work)
thread.start()
outer = observability.start_span("outer")
children = []
for number in range(6):
    child = os.fork()
    if not child:
        with observability.span("child's", parent=outer): pass
        outer.end()
        os._exit(0 if observability.flush(20) else 3)
    children.append(child)
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
done.set()
thread.join()
outer.end()
assert codes == [0] * 6, codes
assert observability.close(20)
"""


def test_a_forked_child_records_by_itself_while_its_parent_writes(
    db_path: Path, database: SharedDatabase
) -> None:
    done = run(FORK_SCRIPT, db_path)
    assert (done.returncode, done.stderr) == (0, "")
    query = SpanRow.select(SpanRow.name, SpanRow.status, SpanRow.parent_id, SpanRow.process)
    rows = list(query.tuples().execute(database))
    (outer,) = [row for row in rows if row[0] == "outer"]
    children = [row for row in rows if row[0] == "child's"]
    assert outer[1] == "ok"
    assert len(children) == len({process for *_, process in children}) == 6
    assert {parent for _, _, parent, _ in children} != {None}
    assert {process for *_, process in rows if process not in {c[3] for c in children}} == {
        outer[3]
    }
    assert database.execute_sql("PRAGMA integrity_check").fetchall() == [("ok",)]


QUIET_FORK_SCRIPT = """
import os, sys
from storage import Observability
from storage.queries.traces import recent_traces
with Observability.open(sys.argv[1], platform="cli") as observability:
    for number in range(20):
        with observability.span(f"before {number}"): pass
        recent_traces(observability.database)
        child = os.fork()
        if not child:
            with observability.span(f"child {number}"): pass
            os._exit(0 if observability.close(20) else 3)
        with observability.span(f"after {number}"): pass
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""


def test_a_fork_while_we_record_causes_no_warning_of_threads(
    db_path: Path, database: SharedDatabase
) -> None:
    command = [sys.executable, "-W", "error", "-c", QUIET_FORK_SCRIPT, str(db_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(names(database)) == 60


def test_what_is_recorded_before_a_fork_is_stored_though_nothing_follows(
    db_path: Path, database: SharedDatabase
) -> None:
    script = (
        "import os, signal, sys\n"
        "from storage import Observability\n"
        "observability = Observability.open(sys.argv[1], platform='cli', linger=0.2)\n"
        "with observability.span('before'): pass\n"
        "if not os.fork(): os._exit(0)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert run(script, db_path).returncode == -signal.SIGKILL
    assert names(database) == ["before"]


def test_a_child_forked_while_another_thread_reads_opens_no_connection(
    db_path: Path, database: SharedDatabase
) -> None:
    script = (
        "import os, sys, threading\n"
        "from storage import Observability\n"
        "from storage.queries.traces import recent_traces\n"
        "observability = Observability.open(sys.argv[1], platform='cli')\n"
        "read, finish = threading.Event(), threading.Event()\n"
        "def reader():\n"
        "    recent_traces(observability.database)\n"
        "    read.set(); finish.wait()\n"
        "thread = threading.Thread(target=reader); thread.start(); read.wait()\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    with observability.span('spooled'): pass\n"
        "    committed = observability.close()\n"
        "    os._exit(3 if committed else 0)\n"
        "code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])\n"
        "finish.set(); thread.join()\n"
        "sys.exit(code)\n"
    )
    done = run(script, db_path)
    assert done.returncode == 0, done.stderr
    with Observability.open(db_path, platform="cli"):
        assert until(lambda: names(database) == ["spooled"])


def record_in_child(path: str, name: str) -> None:
    with Observability.open(path, platform="cli") as observability, observability.span(name):
        pass


MULTIPROCESSING_SCRIPT = """
import multiprocessing, sys
from storage import Observability
def work(number):
    if observability is None:
        opened = Observability.open(sys.argv[1], platform="cli")
    else:
        opened = observability
    with opened.span(f"work {number}"): pass
observability = None
if __name__ == "__main__":
    observability = Observability.open(sys.argv[1], platform="cli")
    with multiprocessing.get_context("fork").Pool(2) as pool:
        pool.map(work, range(6), chunksize=1)
        pool.close()
        pool.join()
    for number in (6, 7):
        child = multiprocessing.get_context("fork").Process(target=work, args=(number,))
        child.start()
        child.join()
"""


def test_children_of_multiprocessing_flush_when_they_end(
    db_path: Path, database: SharedDatabase
) -> None:
    done = run(MULTIPROCESSING_SCRIPT, db_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(names(database)) == [f"work {number}" for number in range(8)]


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_spawned_children_record_by_themselves(
    db_path: Path, database: SharedDatabase, method: str
) -> None:
    context = multiprocessing.get_context(method)
    children = [
        context.Process(target=record_in_child, args=(str(db_path), f"spawned {number}"))
        for number in range(2)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0]
    assert sorted(names(database)) == ["spawned 0", "spawned 1"]
