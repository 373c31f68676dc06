"""Run the benchmarks of an earlier commit, in the environment of this one."""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

from tests.benchmarks.figure import Figure
from tests.benchmarks.plain_install import ROOT
from tests.benchmarks.run import Unavailable

OF_TODAY = ("plain_install.py", "measures/cold.py", "measures/cold_ls.py")
"""Modules that take the place of the commit's own: start-up was once measured in the tests'
environment. They only start processes."""

HERE = Path("tests") / "benchmarks"


class Earlier:
    """The tree of a commit, which is kept in *cache* with the databases that it makes."""

    def __init__(self, commit: str, *, cache: Path, rounds: int) -> None:
        self._commit = commit
        self._cache = cache
        self._rounds = rounds

    def measure(self, name: str, *, note: Callable[[str], object]) -> list[Figure]:
        """Return the figures of a benchmark, none if the commit does not have it."""
        tree = self._unpacked()
        if not (tree / HERE / "measures" / f"{name.replace('-', '_')}.py").exists():
            return []
        note(f"with the code of {self._commit}")
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks", name, "--json"]
            + ["--rounds", str(self._rounds)],
            cwd=tree,
            env={**os.environ, "PYTHONPATH": str(tree)},
            capture_output=True,
            text=True,
            check=False,
        )
        try:
            found = json.loads(done.stdout)["figures"]
        except ValueError:
            said = "".join(done.stderr.strip().splitlines()[-1:])
            raise Unavailable(f"{self._commit} could not measure it: {said}") from None
        known = {field.name for field in fields(Figure)}
        return [Figure(**{n: v for n, v in each.items() if n in known}) for each in found]

    def _unpacked(self) -> Path:
        commit = _git("rev-parse", "--short", f"{self._commit}^{{commit}}").decode().strip()
        tree = self._cache / f"tree-{commit}"
        if not tree.exists():
            unfinished = tree.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            with tarfile.open(fileobj=io.BytesIO(_git("archive", commit))) as archive:
                archive.extractall(unfinished, filter="data")
            for path in OF_TODAY:
                shutil.copyfile(ROOT / HERE / path, unfinished / HERE / path)
            unfinished.rename(tree)
        return tree


def _git(*arguments: str) -> bytes:
    command = ["git", "-C", str(ROOT), *arguments]
    try:
        return subprocess.run(command, capture_output=True, check=True).stdout
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode().strip()
        raise Unavailable(f"git {' '.join(arguments)} failed: {said}") from None
