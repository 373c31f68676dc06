"""Write a digest as a web page."""

import sys
from pathlib import Path

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
        Path(file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandFailed(
            f"{file} cannot be written ({error.strerror}): name a file in a folder that you may "
            "write to."
        ) from None
