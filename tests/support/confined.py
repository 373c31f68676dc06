"""Programs in place of agents that are confined."""

import os
import sys

import pytest

from bot.agents.programs.provider import CommandProvider

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")


def python(code: str, **options: object) -> CommandProvider:
    """Return an agent that is a script of Python, in an interpreter that imports little."""
    command = (sys.executable, "-S", "-c", code)
    return CommandProvider(agent="spy", command=command, **options)  # type: ignore[arg-type]
