"""A command imports what its first step needs: somebody waits for it in a shell."""

import subprocess
import sys

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
