"""Protect the process of the bot from the programs that it starts."""

import ctypes
import sys

from bot.agents.programs.process import orphans

PR_SET_DUMPABLE = 4


def protect_own_process() -> None:
    """Close this process's memory, environment and descriptors to others, and adopt orphans.

    Only for processes that are tracebot's alone. Linux only; root can read everything all the same,
    so agents of a bot that runs as root lose root's privileges (see `restrictions`).
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    orphans.adopt()
