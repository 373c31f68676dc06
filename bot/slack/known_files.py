"""Remember which files of Slack lie in the folders of earlier turns, and copy them from there.

A follow-up in a thread is given the thread's files again, in a folder of its own. Those that still
lie in an earlier one as they were fetched need no request. What an agent, the retention or an
erasure has changed or removed is fetched again.
"""

import hashlib
import os
import stat
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from cachetools import LRUCache

MOST_KNOWN = 1_000

Key = tuple[object, ...]


class KnownFiles:
    """Files that were fetched by this process. May be used from several threads at once."""

    def __init__(self) -> None:
        self._known: LRUCache[Key, tuple[Path, str]] = LRUCache(MOST_KNOWN)
        self._lock = threading.Lock()

    def remember(self, file: Mapping[str, object], path: Path) -> None:
        """Note that the content of Slack's *file* lies at *path*."""
        if (key := _key(file)) is None:
            return
        found = path, _digest(path.read_bytes())
        with self._lock:
            self._known[key] = found

    def copy(self, file: Mapping[str, object], path: Path, *, max_bytes: int) -> int | None:
        """Copy the content of Slack's *file* to *path*; return its bytes, or None if it is gone."""
        with self._lock:
            found = self._known.get(_key(file) or ())
        if found is None:
            return None
        earlier, digest = found
        data = _read(earlier, max_bytes)
        if data is None or _digest(data) != digest:
            return None
        _write(path, data)
        return len(data)


def _key(file: Mapping[str, object]) -> Key | None:
    """Return what names a content for ever; None for what people can edit in Slack."""
    if file.get("mode") != "hosted" or file.get("editable"):
        return None
    address = file.get("url_private_download") or file.get("url_private")
    return file.get("id"), str(address), file.get("size"), str(file.get("mimetype"))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _read(path: Path, max_bytes: int) -> bytes | None:
    """Return the content of an ordinary file.

    An agent may have put something else in its place: a link to a file of ours, or a pipe, whose
    reader waits for ever.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        return file.read(max_bytes + 1)


def _write(path: Path, data: bytes) -> None:
    """Write a file that only the bot's user can read, whole or not at all."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as part:
            part.write(data)
        os.replace(name, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(name)
        raise
