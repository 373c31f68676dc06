"""The processes that start agents are closed to the other processes of their own user."""

import subprocess
import sys

import pytest

DUMPABLE = """
import contextlib, ctypes, sys
from bot.cli.main import main
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(None):
    main([sys.argv[1], "--help"])
sys.exit(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="PR_GET_DUMPABLE is Linux's")
@pytest.mark.parametrize(("command", "dumpable"), [("serve", 0), ("query", 0), ("ls", 1)])
def test_a_process_that_starts_agents_cannot_be_traced_or_dumped(
    command: str, dumpable: int
) -> None:
    done = subprocess.run([sys.executable, "-c", DUMPABLE, command], check=False, timeout=60)
    assert done.returncode == dumpable
