"""Imports go down only: bot → reports → storage."""

import ast
from pathlib import Path

import pytest

from tests.support.paths import ROOT

FLOORS = {"storage": 0, "reports": 1, "bot": 2}
FILES = sorted(path for floor in FLOORS for path in (ROOT / floor).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """The top-level packages that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names.add((node.module or "").split(".")[0])
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_import_goes_up(path: Path) -> None:
    floor = FLOORS[path.relative_to(ROOT).parts[0]]
    assert not {name for name in imported(path) if FLOORS.get(name, -1) > floor}


@pytest.mark.parametrize(
    "path", sorted((ROOT / "storage").rglob("*.py")), ids=lambda path: path.name
)
def test_storage_imports_neither_slack_nor_a_web_framework(path: Path) -> None:
    assert not imported(path) & {"slack_bolt", "slack_sdk", "starlette", "uvicorn", "apscheduler"}


def test_the_sandbox_stands_alone() -> None:
    for path in (ROOT / "bot" / "sandbox").rglob("*.py"):
        tree = ast.parse(path.read_text())
        modules = [n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module]
        ours = [name for name in modules if name.split(".")[0] in FLOORS]
        assert all(name.startswith("bot.sandbox") for name in ours), path
