"""The processes that start agents are closed to the other processes of their own user."""

import subprocess
import sys
from pathlib import Path

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


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
@pytest.mark.parametrize(
    "url",
    [
        "postgresql://bot:hush@h/d",
        "postgresql://h/d?password=hush&x=y",
        "postgresql://h/d?sslpassword=hush",
    ],
)
def test_a_password_in_the_command_line_is_shown_to_no_other_process(url: str) -> None:
    look = "tr '\\0' ' ' < /proc/$PPID/cmdline"
    tracebot = Path(sys.executable).with_name("tracebot")
    done = subprocess.run(
        [tracebot, "run", "--database", url, "--", "sh", "-c", look],
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )
    assert url.replace("hush", "xxxx") in done.stdout
