"""An environment for a peer, created on first use and kept in the user's cache."""

import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
from pathlib import Path

from platformdirs import user_cache_path

from tests.benchmarks.peers.processes import group
from tests.benchmarks.run import Unavailable

SECONDS = 900
"""The longest time that an installation may take."""

ALLOWED = re.compile(r"PATH|HOME|LANG|TMPDIR|XDG_CACHE_HOME|SSL_CERT_.*|PIP_.*|(?i:.*_PROXY)")
"""The variables that pip gets: packages must not see our tokens."""


def python_of(requirements: Sequence[str], *, note: Callable[[str], object]) -> Path:
    """Return the interpreter of an environment with these packages; the first is the peer's own.

    Raises `Unavailable` where they cannot be installed.
    """
    place = user_cache_path("tracebot") / "peers" / requirements[0].replace("==", "-")
    python, complete = place / "bin" / "python", place / "installed"
    wanted = "\n".join(requirements)
    if complete.exists() and complete.read_text() == wanted:
        return python
    shutil.rmtree(place, ignore_errors=True)
    note(f"making {place}")
    venv.create(place, symlinks=True)
    _install(python, requirements, note)
    complete.write_text(wanted)
    return python


def _install(python: Path, requirements: Sequence[str], note: Callable[[str], object]) -> None:
    """Install with our own pip: creating an environment without pip takes a tenth of the time."""
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-input"]
    options = ["--disable-pip-version-check", "--progress-bar", "off"]
    allowed = {name: value for name, value in os.environ.items() if ALLOWED.fullmatch(name)}
    problem = "it took too long."
    with group(
        [*pip, *options, *requirements],
        env=allowed,
        within=SECONDS,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        for line in process.stdout or ():
            note(f"installing, once: {line.strip()[:60]}")
            if line.startswith("ERROR:"):
                problem = line.removeprefix("ERROR:").strip()
        if process.wait() == 0:
            return
    raise Unavailable(
        f"{requirements[0]} could not be installed: {problem.rstrip('.')}. "
        "See that the package index can be reached (PIP_INDEX_URL), and try again."
    )
