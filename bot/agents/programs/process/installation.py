"""Find the files of an installed program: what must be readable so that it can run."""

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

SCRIPT_DEPTH = 3
"""A script's interpreter may be a script, too; beyond this the kernel refuses to run it."""


def installed_files(command: tuple[str, ...], path: str, folder: Path) -> Iterator[Path]:
    """Yield the files and folders that a command needs, outside the system's folders as well.

    These are its program, the interpreter of a script, programs on `path`, which are its PATH, and
    files that its arguments name. Relative names begin at `folder`.
    """
    for entry in path.split(os.pathsep):
        if Path(entry).name in ("bin", "sbin"):
            yield from _beside(Path(entry))
    program = command[0]
    if os.sep in program:
        yield from _program(folder / program, path, SCRIPT_DEPTH)
    elif (found := shutil.which(program, path=path)) is not None:
        yield from _program(Path(found), path, SCRIPT_DEPTH)
    for argument in command[1:]:
        if argument.startswith("/"):
            yield Path(argument)


def _program(file: Path, path: str, depth: int) -> Iterator[Path]:
    real = Path(os.path.realpath(file))
    # An agent that may write its own program can name anything in its place.
    if not (os.path.isfile(real) and os.access(real, os.X_OK)):
        return
    for name in (file, real):
        yield name
        if "node_modules" in name.parts:
            yield Path(*name.parts[: name.parts.index("node_modules") + 1])
        elif name.parent.name in ("bin", "sbin"):
            yield from _beside(name.parent)
    interpreter = _interpreter(file, path)
    if interpreter is not None and depth:
        yield from _program(interpreter, path, depth - 1)


def _beside(folder: Path) -> Iterator[Path]:
    """Yield a folder of programs, and those beside it in which an installation keeps the rest."""
    yield folder
    for name in ("lib", "lib64", "libexec", "pyvenv.cfg"):
        yield folder.parent / name


def _interpreter(file: Path, path: str) -> Path | None:
    """Return the interpreter that the first line of a script names, None if it is not a script."""
    first = b""
    with contextlib.suppress(OSError), file.open("rb") as script:
        first = script.readline(256)
    if not first.startswith(b"#!"):
        return None
    # As the kernel reads it: only spaces and tabs are between words.
    name, *words = re.split("[ \t]+", os.fsdecode(first[2:]).strip(" \t\n"))
    if Path(name).name == "env":
        words = [word for word in words if word != "-S"]
        found = shutil.which(words[0], path=path) if words else None
        return None if found is None else Path(found)
    return Path(name) if name.startswith("/") else None
