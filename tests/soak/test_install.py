"""The wheel as users install it: on each Python that is here, in an empty home and an empty folder.

With network: packages come from the index, in the versions of requirements.lock.
"""

import os
import pwd
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.benchmarks.plain_install import pinned
from tests.support.paths import ROOT

VERSIONS = ("3.11", "3.12", "3.13", "3.14")
SECONDS = 300


def python(version: str) -> str:
    """Return the interpreter of a version; skip the test if there is none."""
    # The home folder of the tests is another one.
    own = Path(pwd.getpwuid(os.getuid()).pw_dir)
    places = [
        shutil.which(f"python{version}"),
        *own.glob(f".pyenv/versions/{version}.*/bin/python"),
    ]
    for place in filter(None, places):
        # On the PATH may be a shim of pyenv for a version that is not in use.
        if subprocess.run([place, "-c", ""], capture_output=True).returncode == 0:
            return str(place)
    pytest.skip(f"Python {version} is not here")


def call(*command: str | Path, folder: Path = ROOT, home: Path | None = None) -> str:
    """Run a command that has to succeed, and return what it prints."""
    environ = dict(os.environ)
    if home is not None:
        environ = {"HOME": str(home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def build(tree: Path, output: Path, *kinds: str) -> Path:
    call(sys.executable, "-m", "build", "--no-isolation", *kinds, "--outdir", output, tree)
    return next(output.glob("*.whl"))


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of what git tracks: a build also packs what earlier builds left."""
    copy = tmp_path_factory.mktemp("tree")
    for name in call("git", "ls-files", "-z").split("\0"):
        if name and (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tree, tmp_path_factory.mktemp("wheel"), "--wheel")


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_sdist_builds_the_same_wheel(tree: Path, wheel: Path, tmp_path: Path) -> None:
    call(sys.executable, "-m", "build", "--no-isolation", "--sdist", "--outdir", tmp_path, tree)
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        archive.extractall(tmp_path, filter="data")
    unpacked = next(path.parent for path in tmp_path.glob("*/PKG-INFO"))
    assert contents(build(unpacked, tmp_path, "--wheel")) == contents(wheel)


def test_everything_that_the_packages_need_is_in_the_wheel(tree: Path, wheel: Path) -> None:
    packed = set(contents(wheel))
    needed = {
        str(path.relative_to(tree))
        for package in ("bot", "reports", "storage")
        for path in (tree / package).rglob("*")
        if path.is_file()
    }
    assert needed - packed == set()
    assert any(name.endswith("/share/tracebot/manifest.yml") for name in packed)


def test_the_demo_runs_if_it_is_installed_for_one_user(wheel: Path, tmp_path: Path) -> None:
    base = Path(sys.base_prefix, "bin", "python3")
    options = ("--user", "--quiet", "--no-warn-script-location", "--break-system-packages")
    call(base, "-m", "pip", "install", *options, wheel, home=tmp_path)
    tracebot = tmp_path / ".local" / "bin" / "tracebot"
    assert "@tracebot" in call(tracebot, "demo", folder=tmp_path, home=tmp_path)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_wheel_works_in_an_empty_home(version: str, wheel: Path, tmp_path: Path) -> None:
    home, folder, place = tmp_path / "home", tmp_path / "empty", tmp_path / "venv"
    home.mkdir()
    folder.mkdir()
    constraints = tmp_path / "constraints.txt"
    constraints.write_text(pinned((ROOT / "requirements.lock").read_text()))
    call(python(version), "-m", "venv", place)
    call(place / "bin/python", "-m", "pip", "install", "--quiet", "-c", constraints, wheel)
    tracebot = place / "bin" / "tracebot"
    assert call(tracebot, "--version", folder=folder, home=home).startswith("tracebot ")
    assert "database" in call(tracebot, "doctor", folder=folder, home=home)
    reading = subprocess.run(
        [tracebot, "ls"], cwd=folder, env={"HOME": str(home)}, capture_output=True, text=True
    )
    assert "Traceback" not in reading.stderr
    assert list(home.iterdir()) == list(folder.iterdir()) == []
    assert "@tracebot" in call(tracebot, "demo", folder=folder, home=home)
    assert list(folder.iterdir()) == []
