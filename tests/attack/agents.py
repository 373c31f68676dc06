"""An agent that looks for what belongs to the bot, asked by a real `tracebot query`."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.attack.attempt import Attempt

TRACEBOT = Path(sys.executable).with_name("tracebot")
SPY = Path(__file__).with_name("spy.py")
PROMISE = "agents are confined"
LEFT_S = 30.0
"""How long the spy's leftover would live. It has to be gone long before."""


def attack_files(
    paths: Mapping[str, Path],
    environment: Mapping[str, str],
    folder: Path,
    *,
    isolation: str = "landlock",
) -> Iterator[Attempt]:
    """Run the spy as an agent against `paths`, by their labels.

    `environment` is that of the installation; the agents file and the spy are put into `folder`.
    """
    spy = folder / "spy" / "spy.py"
    spy.parent.mkdir()
    spy.write_bytes(SPY.read_bytes())
    asked = json.dumps({"paths": {k: str(v) for k, v in paths.items()}, "leave": LEFT_S})
    agents = folder / "agents.toml"
    agents.write_text(
        f"[agents.spy]\ncommand = {json.dumps([sys.executable, '-I', str(spy), asked])}\n"
        f"working_directory = {json.dumps(str(spy.parent))}\nisolation = {json.dumps(isolation)}\n"
    )
    done = subprocess.run(
        [TRACEBOT, "query", "--json", "@spy what is there?"],
        env={**environment, "TRACEBOT_AGENTS": str(agents)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    try:
        answer = json.loads(done.stdout)["answers"][0]["text"]
        found = json.loads(answer)
    except (ValueError, LookupError, TypeError):
        why = (done.stderr or done.stdout).strip()[-200:]
        yield Attempt(promise=PROMISE, tried="run a hostile agent", held=None, detail=why)
        return
    for tried, reached in found["reached"].items():
        yield Attempt(promise=PROMISE, tried=tried, held=not reached)
    yield _leftover(found["left"])


def _leftover(pid: int) -> Attempt:
    tried = "outlive its turn by leaving its session"
    if pid == 0:
        return Attempt(promise=PROMISE, tried=tried, held=None, detail="it could not fork")
    until = time.monotonic() + 5
    while _runs(pid) and time.monotonic() < until:
        time.sleep(0.05)
    return Attempt(promise=PROMISE, tried=tried, held=not _runs(pid))


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
