"""Create the files that belong to a database, which nobody but its user may read.

What root creates belongs to the owner of the folder that it is in, as SQLite does it with its log:
else the bot could not write its own files any more after one command with sudo.
"""

import os
from contextlib import suppress
from pathlib import Path


def open_private(path: Path, flags: int) -> int:
    """Open a file, created if it is missing, and return its descriptor. Raises `OSError`."""
    flags |= os.O_CLOEXEC
    with suppress(FileNotFoundError):
        return os.open(path, flags)
    try:
        # Exclusively: nobody is given a file to which a link in their folder leads.
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:  # Another process was faster, or it is a link to what is not there yet.
        return os.open(path, flags | os.O_CREAT, 0o600)
    give_to_owner(descriptor, path.parent)
    return descriptor


def make_private_folder(path: Path) -> None:
    """Create a folder if it is missing; the one that it is in is there. Raises `OSError`."""
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
        descriptor = os.open(path, os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            give_to_owner(descriptor, path.parent)
        finally:
            os.close(descriptor)


def give_to_owner(descriptor: int, folder: Path) -> None:
    """Give what has just been created in a folder to its owner, if we are root."""
    if os.geteuid() == 0:
        with suppress(OSError):  # A file system without owners, or root without that privilege.
            owner = os.stat(folder)
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
