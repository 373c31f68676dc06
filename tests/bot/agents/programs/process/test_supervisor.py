"""Malicious and broken agents: they are ended, and so are the processes that they started."""

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.agents.cancellation import Cancellation
from bot.agents.errors import AgentCancelled, AgentCrashed, AgentError, AgentTimeout
from bot.agents.invocation import invoke
from bot.agents.programs.catalog import CLAUDE, PROGRAMS
from bot.agents.programs.process.confinement import Confinement
from bot.agents.programs.process.supervisor import Limits
from bot.agents.programs.provider import CommandProvider
from bot.agents.types import Agent, Request
from storage import Observability
from storage.queries.traces import recent_traces, trace_spans
from tests.support.paths import ROOT

HASTY = Limits(timeout_s=0.5, grace_s=0.2)
ESCAPE = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execve(sys.executable, [sys.executable, "-S", "-c", {last!r}], {{}})
    os._exit(0)
os.wait()
while not os.path.exists({pids!r}):
    time.sleep(0.01)
"""
LAST = """
import os, signal, time
for number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
open({pids!r} + ".new", "w").write(str(os.getpid()))
os.rename({pids!r} + ".new", {pids!r})
time.sleep(60)
"""


def eventually(holds: Callable[[], bool], *, within_s: float = 15) -> bool:
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def escaping(pids: Path, *, then: str) -> CommandProvider:
    """Return an agent that leaves an orphan in another session that ignores SIGTERM."""
    script = ESCAPE.format(last=LAST.format(pids=str(pids)), pids=str(pids)) + then
    command = (sys.executable, "-S", "-c", script)
    return CommandProvider(
        agent="escape",
        command=command,
        limits=Limits(timeout_s=5, grace_s=0.2),
        confinement=Confinement(write=(pids.parent,)),
    )


def test_a_process_that_left_its_session_and_parents_is_killed(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    assert escaping(pids, then="print('done')").answer(Request(prompt="x")).text == "done"
    assert not alive(int(pids.read_text()))


def test_a_process_that_left_is_killed_after_a_timeout(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    with pytest.raises(AgentTimeout):
        escaping(pids, then="time.sleep(60)").answer(Request(prompt="x"))
    assert not alive(int(pids.read_text()))


def test_a_command_that_joins_its_reapers_group_is_ended_too(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    join = f"os.setpgid(0, os.getppid()); {LAST.format(pids=str(pids))}"
    command = (sys.executable, "-S", "-c", f"import os\n{join}")
    agent = CommandProvider(
        agent="joins",
        command=command,
        limits=Limits(timeout_s=2, grace_s=0.2),
        confinement=Confinement(write=(tmp_path,)),
    )
    with pytest.raises(AgentTimeout):
        agent.answer(Request(prompt="x"))
    assert not alive(int(pids.read_text()))


def test_a_cancellation_kills_a_process_that_left(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    cancellation = Cancellation()

    def cancel() -> None:
        eventually(pids.exists)
        cancellation.cancel("U1")

    canceller = threading.Thread(target=cancel)
    canceller.start()
    with pytest.raises(AgentCancelled):
        escaping(pids, then="time.sleep(60)").answer(Request(prompt="x", cancellation=cancellation))
    canceller.join()
    assert not alive(int(pids.read_text()))


def test_an_agent_does_not_outlive_the_bot(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    bot = f"""
from bot.agents.types import Request
from bot.agents.programs.process.confinement import Confinement
from bot.agents.programs.provider import CommandProvider
command = ("sh", "-c", "sleep 61 & echo $$ $! > {pids}.new; mv {pids}.new {pids}; sleep 62")
free = Confinement(isolation="off")
CommandProvider(agent="orphan", command=command, confinement=free).answer(Request(prompt="x"))
"""
    root = ROOT
    process = subprocess.Popen([sys.executable, "-c", bot], cwd=root)
    assert eventually(pids.exists)
    process.kill()
    process.wait()
    for pid in map(int, pids.read_text().split()):
        assert eventually(lambda pid=pid: not alive(pid)), "it still runs"  # type: ignore[misc]


def test_an_agent_does_not_start_if_the_bot_dies_while_it_is_being_started(tmp_path: Path) -> None:
    started = tmp_path / "started"
    bot = f"""
import os, signal, subprocess
from bot.agents.programs.process import child
from bot.agents.programs.process.restrictions import Restrictions

def die():  # In the child, so that the bot is gone before the reaper looks for it.
    os.kill(os.getppid(), signal.SIGKILL)

def start_and_die(*arguments, **options):
    return Popen(*arguments, preexec_fn=die, **options)

Popen, subprocess.Popen = subprocess.Popen, start_and_die
command = ("sh", "-c", "touch {started}")
child.start(command, environment=os.environ, folder=None, restrictions=Restrictions())
"""
    process = subprocess.run([sys.executable, "-c", bot], cwd=ROOT, timeout=60, check=False)
    assert process.returncode == -signal.SIGKILL
    assert not eventually(started.exists, within_s=2)


REBEL = """
import os, signal, subprocess, sys, time
harm, left, pids = sys.argv[1:]
subprocess.Popen([sys.executable, "-S", left], start_new_session=True, env={})
while not os.path.exists(pids):
    time.sleep(0.01)
try:
    os.kill(os.getppid(), getattr(signal, harm))
except PermissionError:
    pass
time.sleep(60)
"""
BOT = """
import sys
from pathlib import Path
from bot.agents.errors import AgentError
from bot.agents.programs.process import orphans
from bot.agents.programs.process.confinement import Confinement
from bot.agents.programs.process.supervisor import Limits
from bot.agents.programs.provider import CommandProvider
from bot.agents.types import Request

folder, harm, isolation = sys.argv[1:]
orphans.adopt()
rebel = CommandProvider(
    agent="rebel",
    command=(sys.executable, "-S", f"{folder}/rebel", harm, f"{folder}/left", f"{folder}/pids"),
    limits=Limits(timeout_s=2, grace_s=0.2),
    confinement=Confinement(isolation=isolation, write=(Path(folder),)),
)
try:
    rebel.answer(Request(prompt="x"))
except AgentError as error:
    print(error.error_type)
"""


@pytest.mark.parametrize("harm", ["SIGKILL", "SIGSTOP"])
@pytest.mark.parametrize("isolation", ["landlock", "off"])
def test_an_agent_that_harms_its_reaper_ends_with_its_turn(
    harm: str, isolation: str, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    (tmp_path / "rebel").write_text(REBEL)
    (tmp_path / "left").write_text(LAST.format(pids=str(pids)))
    bot = subprocess.run(
        [sys.executable, "-c", BOT, str(tmp_path), harm, isolation],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert bot.stdout.strip() in ("crash", "timeout"), bot.stderr
    assert not alive(int(pids.read_text()))


SURVIVOR = """
import os, signal, subprocess, threading
from bot.agents.programs.process import orphans

def kill(pid, number):
    raise PermissionError  # As of a program that runs as another user.

orphans.adopt()
killing, os.kill = os.kill, kill
first = subprocess.Popen(["sleep", "100"])
orphans.PATIENCE_S = 0.0
orphans.kill_orphans(1)
orphans.PATIENCE_S = 100.0
orphans.kill_orphans(1)
print("it was not waited for again", flush=True)

second = subprocess.Popen(["sleep", "100"])
turn = threading.Thread(target=orphans.kill_orphans, args=(1,))
turn.start()
with orphans.starting():
    print("another turn began, the first one waits:", turn.is_alive(), flush=True)
os.kill = killing
turn.join()
print("the second one is gone:", second.pid not in orphans.children())
while orphans.children():
    orphans.kill_orphans(1)
print("the first one, too")
"""


def test_a_process_that_cannot_be_killed_delays_one_turn_and_no_other() -> None:
    bot = subprocess.run(
        [sys.executable, "-c", SURVIVOR],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert bot.stdout.splitlines() == [
        "it was not waited for again",
        "another turn began, the first one waits: True",
        "the second one is gone: True",
        "the first one, too",
    ], bot.stderr


def test_other_children_of_the_process_are_left_alone(tmp_path: Path) -> None:
    other = subprocess.Popen(["sh", "-c", "sleep 0.3; exit 7"])
    lasting = subprocess.Popen(["sleep", "60"])
    pids = tmp_path / "pids"
    escaping(pids, then="print('done')").answer(Request(prompt="x"))
    assert lasting.poll() is None
    assert other.wait() == 7
    lasting.kill()
    assert lasting.wait() == -signal.SIGKILL


def test_no_zombies_are_left() -> None:
    def children() -> set[int]:
        found = set()
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[1]) == os.getpid():
                found.add(int(stat.parent.name))
        return found

    before = children()
    script = "for i in 1 2 3 4 5; do (setsid true &) ; done; echo done"
    agent = CommandProvider(agent="messy", command=("sh", "-c", script))
    for _ in range(3):
        assert agent.answer(Request(prompt="x")).text == "done"
    assert children() <= before


def test_pipes_inside_an_agent_break_as_usual() -> None:
    agent = CommandProvider(agent="pipe", command=("sh", "-c", "yes | head -1; echo $?"))
    assert agent.answer(Request(prompt="x")).text == "y\n0"


def test_a_command_that_is_not_executable_cannot_be_started(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("text")
    agent = CommandProvider(agent="plain", command=(str(tmp_path / "plain"),))
    with pytest.raises(AgentError, match="could not start .*plain: Permission denied") as caught:
        agent.answer(Request(prompt="x"))
    assert caught.value.error_type == "not_started"


GROWTH_KB = 60_000
"""Twice the longest line that is read, and what Python takes beside."""


@pytest.mark.parametrize("program", [CommandProvider(agent="x", command=()).program, CLAUDE])
def test_an_endless_line_takes_bounded_memory(program: object) -> None:
    script = "import sys; [sys.stdout.write('x' * 1_000_000) for _ in range(50)]"
    agent = CommandProvider(
        agent="long",
        program=program,  # type: ignore[arg-type]
        command=(sys.executable, "-S", "-c", script),
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    text = agent.answer(Request(prompt="x")).text
    assert set(text.removesuffix("\n[The answer was longer and is cut here.]")) == {"x"}
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < GROWTH_KB


def test_a_program_that_prints_no_events_for_ever_is_stopped() -> None:
    agent = CommandProvider(agent="loud", program=CLAUDE, command=("sh", "-c", "yes"))
    with pytest.raises(AgentCrashed, match="its output is not an answer"):
        agent.answer(Request(prompt="x"))


@pytest.mark.parametrize("program", PROGRAMS, ids=[each.name for each in PROGRAMS])
def test_binary_output_is_read_as_text(program: object) -> None:
    script = r"import os; os.write(1, bytes(range(256)) * 100 + b'\n{\xff}\n' + b'\0' * 1000)"
    agent = CommandProvider(
        agent="rubbish",
        program=program,  # type: ignore[arg-type]
        command=(sys.executable, "-S", "-c", script),
    )
    assert "abc" in agent.answer(Request(prompt="x")).text


def test_secrets_on_stderr_are_not_recorded(observability: Observability) -> None:
    secret = "xoxb-123456789012-123456789012-abcdefghijklmnopqrstuvwx"
    script = f"import sys; sys.stderr.write('my token is {secret}'); sys.exit(1)"
    provider = CommandProvider(agent="leaky", command=(sys.executable, "-S", "-c", script))
    agent = Agent(name="leaky", providers=(provider,))
    with pytest.raises(AgentCrashed):
        invoke(agent, Request(prompt="x"), observability=observability)
    observability.flush()
    (trace,) = recent_traces(observability.database).traces
    stored = str(trace_spans(observability.database, trace.trace_id))
    assert "my token is" in stored
    assert secret not in stored


def test_a_secret_at_the_cut_of_a_long_stderr_is_not_recorded_in_part(
    observability: Observability,
) -> None:
    secret = "xoxb-123456789012-123456789012-abcdefghijklmnopqrstuvwx"
    script = f"import sys; sys.stderr.write('{secret} ' + 'x' * 3_980); sys.exit(1)"
    provider = CommandProvider(agent="leaky", command=(sys.executable, "-S", "-c", script))
    agent = Agent(name="leaky", providers=(provider,))
    with pytest.raises(AgentCrashed):
        request = Request(prompt="x", captured=lambda text: text)
        invoke(agent, request, observability=observability)
    observability.flush()
    (trace,) = recent_traces(observability.database).traces
    stored = str(trace_spans(observability.database, trace.trace_id))
    assert "x" * 3_000 in stored
    assert secret[-10:] not in stored


def test_an_agent_that_neither_reads_nor_writes_times_out() -> None:
    agent = CommandProvider(
        agent="still",
        command=(sys.executable, "-S", "-c", "import time; time.sleep(60)"),
        limits=HASTY,
    )
    started = time.monotonic()
    with pytest.raises(AgentTimeout):
        agent.answer(Request(prompt="x" * 1_000_000))
    assert time.monotonic() - started < 20
