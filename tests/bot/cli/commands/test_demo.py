"""The demo as a newcomer runs it: in its own process, with an empty home directory."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from tests.support.paths import MEASURED
from tests.support.readme import alike, part

TRACEBOT = str(Path(sys.executable).with_name("tracebot"))


def environment(home: Path) -> dict[str, str]:
    return {**MEASURED, "HOME": str(home), "PATH": os.environ["PATH"], "TMPDIR": str(home)}


def test_the_demo_plays_a_conversation_queries_it_and_says_what_to_try_next(tmp_path: Path) -> None:
    played = subprocess.run(
        [TRACEBOT, "demo"], env=environment(tmp_path), capture_output=True, text=True, timeout=60
    )
    shown = played.stdout
    assert (played.returncode, played.stderr) == (0, "")
    assert "You said: what is in the next release?" in shown
    assert "I have read 2 earlier messages" in shown
    assert "not for the bot, which skips it" in shown
    assert "I was given 1 file" in shown
    assert "flaky could not answer" in shown
    for words in ("ls", "thread", "stats --by agent", "show"):
        assert f"/trace {words}" in shown
    assert "emoji +1" in shown
    assert "5 traces · 1 failed (20.0%) · half within" in shown
    assert "\x1b[" not in shown
    for line in part("DEMO").splitlines()[2:-1]:
        assert line.strip() == "…" or alike(line) in alike(shown)
    (command,) = re.findall(r"tracebot (ls --all --database \S+)", shown)
    listed = subprocess.run(
        [TRACEBOT, *command.split()], env=environment(tmp_path), capture_output=True, text=True
    )
    assert "skipped: the bot was not mentioned" in listed.stdout


def test_the_demo_stays_until_it_is_interrupted(tmp_path: Path) -> None:
    demo = subprocess.Popen(
        [TRACEBOT, "demo", "--keep"],
        env={**environment(tmp_path), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert demo.stdout
        page = next(
            found[0]
            for line in demo.stdout
            if (found := re.findall(r"open at (http://127.0.0.1:\d+/)", line))
        )
        assert "<title>" in httpx.get(page, trust_env=False).text
        demo.send_signal(signal.SIGINT)
        _, complaints = demo.communicate(timeout=30)
        assert (demo.returncode, complaints) == (0, "")
    finally:
        demo.kill()
