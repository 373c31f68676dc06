"""Folders that nobody may enter, not even a test that runs as root."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VERSION_3 = 0x20080522
DAC_OVERRIDE, DAC_READ_SEARCH = 1 << 1, 1 << 2
"""See capabilities(7): root may enter every folder because it has these."""


@contextmanager
def closed(folder: Path) -> Iterator[None]:
    """Keep this thread, and those that it starts, out of a folder."""
    mode = folder.stat().st_mode
    folder.chmod(0)
    header = (ctypes.c_uint32 * 2)(VERSION_3, 0)
    before, reduced = (ctypes.c_uint32 * 6)(), (ctypes.c_uint32 * 6)()
    libc = ctypes.CDLL(None, use_errno=True)
    if is_root := os.geteuid() == 0:
        for sets in (before, reduced):
            assert libc.capget(header, sets) == 0
        reduced[0] &= ~(DAC_OVERRIDE | DAC_READ_SEARCH)  # Those in effect; it may have them back.
        assert libc.capset(header, reduced) == 0
    try:
        yield
    finally:
        if is_root:
            assert libc.capset(header, before) == 0
        folder.chmod(mode)
