"""Protect the process of the bot from the programs that it starts."""

import ctypes
import re
import sys
from contextlib import suppress
from pathlib import Path

from bot.agents.programs.process import orphans

PR_SET_DUMPABLE = 4

ARG_START, ARG_END = 48, 49
"""Fields of proc(5)'s stat: the addresses of the command line."""

_PASSWORD = re.compile(rb"://[^/@:\0]*:(?P<before>[^@\0]*)@|\b(?:ssl)?password=(?P<behind>[^&\0]+)")


def protect_own_process() -> None:
    """Close this process's memory, environment and descriptors to others, and adopt orphans.

    Only for processes that are tracebot's alone. Linux only; root can read everything all the same,
    so agents of a bot that runs as root lose root's privileges (see `restrictions`).
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    orphans.adopt()


def hide_passwords() -> None:
    """Overwrite passwords of URLs in the command line, which `ps` shows to every agent and user.

    `sys.argv` has a copy. Linux only; until then it could be read.
    """
    if sys.platform != "linux":
        return
    with suppress(OSError, ValueError, IndexError):
        # Behind the name of the program, which may hold anything, the third field comes.
        values = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        start, end = (int(values[field - 3]) for field in (ARG_START, ARG_END))
        if not 0 < start < end:
            return
        for found in _PASSWORD.finditer(ctypes.string_at(start, end - start)):
            first, last = found.span(found.lastgroup or 0)
            ctypes.memset(start + first, ord("x"), last - first)
