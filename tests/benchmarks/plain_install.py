"""tracebot as its users install it: a wheel of this tree without extras, in its own environment.

The environment of the tests starts more slowly: Peewee imports psycopg if it is installed, and an
editable install searches for each module with a finder of its own.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.benchmarks.peers.environment import ALLOWED, SECONDS
from tests.benchmarks.run import Run, Unavailable

ROOT = Path(__file__).parents[2]
PACKAGES = ("bot", "reports", "storage")
BESIDE = ("pyproject.toml", "README.md", "LICENSE", "manifest.yml", ".env.example")
"""What a wheel is built from, besides the packages."""
LOCK = "requirements.lock"


def plain_install(run: Run) -> Path:
    """Return the folder with the commands `tracebot` and `python` of a plain install.

    It is kept until the sources of the wheel or the lock change. Raises `Unavailable` if it cannot
    be installed.
    """
    place = run.cache / f"plain-{_key()}"
    commands, complete = place / "bin", place / "installed"
    if complete.exists():
        return commands
    run.cache.mkdir(parents=True, exist_ok=True)
    for stale in run.cache.glob("plain-*"):
        shutil.rmtree(stale)
    run.note("installing tracebot, once")
    venv.create(place, symlinks=True)
    constraints = place / "constraints.txt"
    constraints.write_text(pinned((ROOT / LOCK).read_text()))
    with tempfile.TemporaryDirectory() as folder:
        wheel = _wheel(Path(folder))
        _call([*_installer(commands / "python"), "--constraint", str(constraints), str(wheel)])
    complete.touch()
    return commands


def pinned(lock: str) -> str:
    """Return the versions in a lock file without hashes, which the wheel does not have either."""
    return "\n".join(re.findall(r"^[\w.-]+==[\w.+!-]+(?: ;[^\\\n]*)?", lock, re.MULTILINE))


def sources(root: Path) -> Iterator[Path]:
    """Yield the files that the wheel is built from, always in the same order."""
    yield from (root / name for name in BESIDE)
    for package in PACKAGES:
        files = sorted((root / package).rglob("*"))
        yield from (path for path in files if path.is_file() and "__pycache__" not in path.parts)


def _key() -> str:
    found = hashlib.sha256(sys.version.encode())
    for path in (ROOT / LOCK, *sources(ROOT)):
        found.update(f"\n{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return found.hexdigest()[:12]


def _wheel(folder: Path) -> Path:
    """Build from a copy: setuptools would also pack what earlier builds left in the tree."""
    for path in sources(ROOT):
        copy = folder / "tree" / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation"]
    _call([*build, "--outdir", str(folder), str(folder / "tree")])
    return next(folder.glob("*.whl"))


def _installer(python: Path) -> Sequence[str]:
    if uv := shutil.which("uv"):
        return (uv, "pip", "install", "--python", str(python), "--compile-bytecode")
    return (sys.executable, "-m", "pip", "--python", str(python), "install", "--no-input")


def _call(command: Sequence[str]) -> None:
    allowed = {name: value for name, value in os.environ.items() if ALLOWED.fullmatch(name)}
    try:
        subprocess.run(
            command, env=allowed, timeout=SECONDS, check=True, capture_output=True, text=True
        )
    except (subprocess.SubprocessError, OSError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip()
        raise Unavailable(
            f"a plain install of tracebot could not be made: {said.splitlines()[-1].rstrip('.')}. "
            "See that the package index can be reached, and try again."
        ) from None
