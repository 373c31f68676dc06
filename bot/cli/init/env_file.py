"""Change values in `.env` and leave the rest of it alone."""

import io
import os
import stat
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from bot.errors import ConfigurationError

BEGINNING = "# Written by tracebot init. All settings and their defaults are in .env.example.\n"
COMMENTS = {
    "SLACK_BOT_TOKEN": "The bot's token; on the app's page under OAuth & Permissions.",
    "SLACK_APP_TOKEN": "The app's token for Socket Mode; under Basic Information.",
    "TRACEBOT_AGENTS": "The agents file; tracebot agents checks it.",
}

PRIVATE = 0o600
"""The permissions of a file that only its owner can read."""


def with_values(text: str, values: Mapping[str, str]) -> str:
    """Return the text of a `.env` with these values, in their old places or at its end."""
    bindings = list(parse_stream(io.StringIO(text or BEGINNING)))
    parts = [_with_value(each, values) for each in bindings]
    if parts and not parts[-1].endswith("\n"):
        parts.append("\n")
    there = {each.key for each in bindings}
    for name in values:
        if name not in there:
            parts.append(f"\n# {COMMENTS[name]}\n{name}={values[name]}\n")
    return "".join(parts)


def _with_value(binding: Binding, values: Mapping[str, str]) -> str:
    written = binding.original.string
    if binding.key is None or binding.key not in values:
        return written
    ahead = written[: len(written) - len(written.lstrip())]
    export = "export " if written.lstrip().startswith("export") else ""
    return f"{ahead}{export}{binding.key}={values[binding.key]}\n"


def refuse_place(path: Path) -> None:
    """Raise `ConfigurationError` if no file can be written there."""
    if path.exists() and not path.is_file():
        raise ConfigurationError(f"{path} is not a file: move it away, and run this again.")
    folder = _target(path).parent
    if not folder.is_dir():
        raise ConfigurationError(f"There is no folder {folder}: make it, and run this again.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigurationError(
            f"{folder} cannot be written: go to a folder that you can write, and run this again."
        )


def _target(path: Path) -> Path:
    """Return the file to which a link leads, which stays one; itself if it leads in a circle."""
    return Path(os.path.realpath(path))


def permissions_of(path: Path, *, otherwise: int = PRIVATE) -> int:
    """Return the permissions of a file, *otherwise* if there is none yet."""
    return stat.S_IMODE(path.stat().st_mode) if path.exists() else otherwise


def write_whole(path: Path, text: str, *, permissions: int = PRIVATE) -> None:
    """Write a file as `replace_file` does. Raises `ConfigurationError`."""
    try:
        replace_file(path, text, permissions=permissions)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written ({error.strerror}).") from error


def replace_file(path: Path, text: str, *, permissions: int) -> None:
    """Write a file, all of it or nothing. Leaves no copy behind. Raises `OSError`."""
    target = _target(path)
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f"{target.name}.")
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, permissions)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def may_be_committed(path: Path) -> bool:
    """Return whether the file is in a Git repository that does not ignore it."""
    command = ["git", "check-ignore", "--quiet", "--", str(path)]
    try:
        ended = subprocess.run(command, capture_output=True, check=False)
    except OSError:  # There is no git.
        return False
    return ended.returncode == 1  # Without a repository it is 128.
