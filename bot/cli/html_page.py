"""Write a digest as a web page."""

import os
import stat
import sys
from pathlib import Path

from bot.cli.init.env_file import permissions_of, replace_file
from reports.errors import CommandFailed
from reports.render.html import page
from reports.views.digest import DigestView
from reports.views.views import View


def write_page(view: View, file: str) -> None:
    """Write the page to *file*; `-` is the standard output. Raises `CommandFailed`."""
    if not isinstance(view, DigestView):  # The database did not answer in time.
        raise CommandFailed(getattr(view, "text", "") or "There is no digest.")
    text = page(view)
    if file == "-":
        sys.stdout.write(text)
        return
    try:
        _write(Path(file), text)
    except OSError as error:
        raise CommandFailed(
            f"{file} cannot be written ({error.strerror}): name a file in a folder that you may "
            "write to."
        ) from None


def _write(path: Path, text: str) -> None:
    folder = os.path.dirname(os.path.realpath(path))
    # Such as /dev/stdout or a pipe, or a page whose owner or group would be another one then.
    is_special = path.exists() and not (path.is_file() and _is_like_new(path, folder))
    if is_special or os.path.ismount(path) or not os.access(folder, os.W_OK | os.X_OK):
        path.write_text(text, encoding="utf-8")
        return
    umask = os.umask(0)  # It can only be read by setting it.
    os.umask(umask)
    # Whole: a full disk leaves the last page, and a web server never sends half of one.
    replace_file(path, text, permissions=permissions_of(path, otherwise=0o666 & ~umask))


def _is_like_new(path: Path, folder: str) -> bool:
    """Return True if a new file in the folder would have the owner and the group of this one."""
    own, around = path.stat(), os.stat(folder)
    group = around.st_gid if around.st_mode & stat.S_ISGID else os.getegid()
    return (own.st_uid, own.st_gid) == (os.geteuid(), group)
