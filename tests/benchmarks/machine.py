"""The machine that a benchmark runs on."""

import os
import platform
import re
import sqlite3
from pathlib import Path

import cysqlite

BUSY = 0.25
"""From this load per core on, a machine is called busy: other work then changes the figures."""


def kind_of_machine() -> str:
    """Return what a figure depends on most: cores, CPU, Python, and whether other work runs.

    To be called before a benchmark adds to the load, which is that of the last minute.
    """
    load = os.getloadavg()[0]
    cores = os.cpu_count() or 1
    state = "busy" if load > BUSY * cores else "quiet"
    return f"{cores} × {_cpu()}, {_python()}, {state} (load {load:.1f})"


def machine() -> str:
    """Return one line about the machine and the versions."""
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs, {_python()}, "
        f"SQLite {cysqlite.sqlite_version} (ours), {sqlite3.sqlite_version} (Python's sqlite3)"
    )


def _python() -> str:
    return f"{platform.python_implementation()} {platform.python_version()}"


def _cpu() -> str:
    """Return the processor's model, or its architecture if the system does not tell more."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()
