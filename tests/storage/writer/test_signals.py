"""A signal, or the end of the interpreter, loses nothing."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from storage import Observability
from storage.database.shared_file import SharedDatabase
from tests.support.recorded_names import WITHIN_S, names, run

SIGTERM_SCRIPT = (
    "import signal, sys, time\n"
    "from storage import Observability\n"
    "observability = Observability.open(sys.argv[1], platform='cli', linger=0.2)\n"
    "{before}\n"
    "for number in range(200):\n"
    "    with observability.span('work'): pass\n"
    "print('ready', flush=True)\n"
    "time.sleep(60)\n"
)


@pytest.mark.parametrize(
    ("before", "code"),
    [("", -signal.SIGTERM), ("signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))", 7)],
    ids=["nobody handles it", "the application handles it"],
)
def test_sigterm_loses_nothing_and_ends_the_process_as_ever(
    db_path: Path, database: SharedDatabase, before: str, code: int
) -> None:
    script = SIGTERM_SCRIPT.format(before=before)
    command = [sys.executable, "-c", script, str(db_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        child.terminate()
        assert child.wait(WITHIN_S) == code
    assert len(names(database)) == 200


SIGNALS_SCRIPT = """
import signal, sys
from storage import Observability
observability = Observability.open(sys.argv[1], platform="cli", linger=0.0)
interrupted = 0
def interrupt(number, frame):
    global interrupted
    interrupted += 1
    with observability.span("interrupt"): pass
signal.signal(signal.SIGALRM, interrupt)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
for number in range(5_000):
    with observability.span("work"): pass
signal.setitimer(signal.ITIMER_REAL, 0)
assert observability.flush(30)
print(interrupted)
"""


def test_a_signal_handler_may_record_while_its_own_thread_does(
    db_path: Path, database: SharedDatabase
) -> None:
    done = run(SIGNALS_SCRIPT, db_path)
    assert (done.returncode, done.stderr) == (0, "")
    stored = names(database)
    assert stored.count("work") == 5_000
    assert stored.count("interrupt") == int(done.stdout) > 0


CTRL_C_SCRIPT = """
import signal
from storage.model.records import Metric
from storage.writer.dropped import DropCounters
from storage.writer.waiting_items import WaitingItems
waiting = WaitingItems(2_000, dropped=DropCounters())
metric = Metric(name="a", value=3.0, labels={}, recorded_at=1, trace_id=None, span_id=None)
def interrupt(number, frame): raise KeyboardInterrupt
signal.signal(signal.SIGALRM, interrupt)
for _ in range(300):
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0003)
        while True:
            if not waiting.append(metric):
                waiting.take(900)  # It stays in the state in which the oldest lose detail.
    except KeyboardInterrupt:
        waiting.take(100)
print(len(waiting.take(2_001)) > 0)
"""


def test_ctrl_c_while_a_long_queue_grows_does_not_keep_it_from_being_stored() -> None:
    done = run(CTRL_C_SCRIPT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


def test_a_handler_of_the_applications_own_is_left_alone(db_path: Path) -> None:
    def own(*_: object) -> None:
        pass

    before = signal.signal(signal.SIGTERM, own)
    try:
        with Observability.open(db_path, platform="cli"):
            assert signal.getsignal(signal.SIGTERM) is own
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with Observability.open(db_path, platform="cli"):
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


def test_what_is_recorded_while_the_interpreter_ends_is_stored(
    db_path: Path, database: SharedDatabase
) -> None:
    script = (
        "import atexit, sys\n"
        "from storage import Observability\n"
        "observability = Observability.open(sys.argv[1], platform='cli')\n"
        "def last():\n"
        "    with observability.span('at exit'): pass\n"
        "atexit.register(last)\n"
        "class Late:\n"
        "    def __del__(self):\n"
        "        with observability.span('too late'): pass\n"
        "late = Late()\n"
    )
    done = run(script, db_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert names(database) == ["at exit"]
