"""A command that runs until it is told to stop is told by any of its threads."""

import subprocess
import sys

SCRIPT = """
import signal, threading, time
from bot.cli.commands.signals import stop_signal, wait_until

def receive():
    time.sleep(0.3)
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    time.sleep(30)

stop = stop_signal()
threading.Thread(target=receive, daemon=True).start()
wait_until(stop)
"""


def test_a_signal_that_arrives_on_another_thread_stops_the_command() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], timeout=20)
    assert done.returncode == 0
