"""A command that runs until it is told to stop is told by any of its threads."""

import signal
import subprocess
import sys

import pytest

SCRIPT = """
import signal, threading, time
from bot.cli.commands.signals import stop_signal

def receive():
    time.sleep(0.3)
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    time.sleep(30)

stop = stop_signal()
threading.Thread(target=receive, daemon=True).start()
stop.wait()
"""

AT_EACH_STEP = """
import signal, sys
from bot.cli.commands.signals import stop_signal

stop = stop_signal()
steps = 0

def interrupt(frame, event, arg):
    global steps
    if frame.f_code.co_name == "wait" or "threading" in frame.f_code.co_filename:
        steps += 1
        signal.raise_signal(signal.SIGTERM)
        return interrupt

sys.settrace(interrupt)
stop.wait()
sys.settrace(None)
assert steps
"""


def test_a_signal_may_come_at_each_step_of_the_wait() -> None:
    assert subprocess.run([sys.executable, "-c", AT_EACH_STEP], timeout=20).returncode == 0


def test_a_signal_that_arrives_on_another_thread_stops_the_command() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], timeout=20)
    assert done.returncode == 0


CLOSED_TERMINAL = """
import os, pty, signal, sys
from bot.cli.commands.signals import Hangup, stop_signal

if sys.argv[1] == "nohup":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
heard, told = os.pipe()
child, screen = pty.fork()
if child == 0:
    stop = stop_signal()
    Hangup(stop).reload_by(lambda: os.write(told, b"reload "))
    signal.raise_signal(signal.SIGHUP)
    os.write(told, b"closed ")
    stop.wait()
    os.write(told, b"stop ")
    os._exit(0)
told_so_far = b""
while told_so_far.count(b" ") < 3:
    told_so_far += os.read(heard, 100)
    if told_so_far.endswith(b"closed "):
        os.close(screen)
os.kill(child, signal.SIGKILL)
print(told_so_far.decode())
"""


IGNORED = """
import signal
from bot.cli.commands.signals import stop_signal

signal.signal(signal.SIGINT, signal.SIG_IGN)
stop = stop_signal()
signal.raise_signal(signal.SIGINT)
assert not stop.is_set()
signal.raise_signal(signal.SIGTERM)
assert stop.is_set()
"""


def test_a_command_in_the_background_of_a_script_is_not_ended_by_its_ctrl_c() -> None:
    assert subprocess.run([sys.executable, "-c", IGNORED], timeout=20).returncode == 0


EARLY = """
import signal
from bot.cli.commands.signals import Hangup, note_hangups, stop_signal

note_hangups()
signal.raise_signal(signal.SIGHUP)
print("alive")
hangup = Hangup(stop_signal())
for _ in range(2):
    hangup.reload_by(lambda: print("reload"))
"""


def test_a_reload_that_comes_before_a_bot_has_started_is_done_once_it_has() -> None:
    done = subprocess.run(
        [sys.executable, "-c", EARLY],
        capture_output=True,
        text=True,
        timeout=20,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    )
    assert done.stdout.split() == ["alive", "reload"], done.stderr


CLOSED_EARLY = """
import os, pty, signal, time
from bot.cli.commands.signals import Hangup, note_hangups, stop_signal

signal.signal(signal.SIGHUP, signal.SIG_DFL)
heard, told = os.pipe()
child, screen = pty.fork()
if child == 0:
    note_hangups()
    os.write(told, b"starting ")
    while not signal.getsignal(signal.SIGHUP).has_come:
        time.sleep(0.01)
    stop = stop_signal()
    Hangup(stop).reload_by(lambda: os.write(told, b"reload "))
    os.write(told, b"stop " if stop.is_set() else b"on ")
    os._exit(0)
starting = os.read(heard, 100)
os.close(screen)
os.waitpid(child, 0)
print(starting.decode(), os.read(heard, 100).decode())
"""


def test_a_bot_whose_terminal_is_closed_while_it_starts_ends() -> None:
    command = [sys.executable, "-c", CLOSED_EARLY]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.stdout.split() == ["starting", "stop"], done.stderr


@pytest.mark.parametrize(("under", "then"), [("shell", "stop"), ("nohup", "reload")])
def test_a_bot_ends_with_its_terminal_unless_under_nohup(under: str, then: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CLOSED_TERMINAL, under], capture_output=True, text=True, timeout=20
    )
    assert done.stdout.split() == ["reload", "closed", then], done.stderr
