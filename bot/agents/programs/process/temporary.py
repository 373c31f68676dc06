"""Make a folder for the temporary files of one turn, and remove it with whatever is in it."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a new folder that only its owner can enter."""
    folder = Path(os.path.realpath(tempfile.mkdtemp(prefix="tracebot-")))
    try:
        yield folder
    finally:
        _remove(folder)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    if os.geteuid() == 0 or not folder.exists():
        return
    # What an agent protected from itself, it protected from us. Nothing of it runs any more.
    for parent, folders, _ in os.walk(folder):
        for name in folders:
            path = os.path.join(parent, name)
            if not os.path.islink(path):
                with contextlib.suppress(OSError):
                    os.chmod(path, 0o700)
    shutil.rmtree(folder, ignore_errors=True)
