"""A command imports what its first step needs: somebody waits for it in a shell."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

LATER = ("httpx", "slack_bolt", "starlette", "uvicorn", "google.protobuf", "bot.app")


@pytest.mark.parametrize(
    ("command", "unneeded"),
    [
        ("init", (*LATER, "slack_sdk", "websockets", "yaml", "peewee")),
        ("doctor", LATER),
    ],
)
def test_a_command_does_not_wait_for_what_a_later_step_needs(
    command: str, unneeded: tuple[str, ...]
) -> None:
    script = f"import sys, bot.cli.commands.{command}; print(*sys.modules)"
    shown = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert set(unneeded) & set(shown.stdout.split()) == set()


def test_no_driver_but_ours_is_imported_for_a_new_file(tmp_path: Path) -> None:
    script = (
        "import sys; from bot.cli.lazy_drivers import leave_out_drivers; leave_out_drivers();"
        "from storage import Observability;"
        "Observability.open(sys.argv[1], platform='cli').close();"
        "assert 'playhouse.migrate' in sys.modules; print(*sys.modules)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "new.db")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert {"psycopg", "sqlite3"} & set(shown.stdout.split()) == set()
    assert importlib.util.find_spec("psycopg") is not None
