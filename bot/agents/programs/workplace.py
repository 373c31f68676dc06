"""Prepare the place in which a program works for one turn: its folders, files and restrictions."""

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.agents.programs.catalog import COMMAND, PATHS, Program
from bot.agents.programs.process.confinement import Confinement, Opened
from bot.agents.programs.process.installation import installed_files
from bot.agents.programs.process.paths import inside, real
from bot.agents.programs.process.restrictions import Restrictions
from bot.agents.programs.process.temporary import temporary_folder
from bot.agents.types import Mode
from storage.database.private_file import make_private_folder

GIT_SETTINGS = (
    ".gitconfig",
    *(f".config/git/{name}" for name in ("config", "ignore", "attributes")),
)
"""Files of a home that git must be able to read if they exist: it does not work without them."""

PASSING = getattr(os, "O_PATH", os.O_RDONLY)
"""How a folder is opened that one may enter, but perhaps not read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Workplace:
    """The place of a program: its working directory, variables, files of the message, limits."""

    folder: Path
    environment: Mapping[str, str]
    files: tuple[Path, ...]
    restrictions: Restrictions


@dataclass(frozen=True, kw_only=True, slots=True)
class Workplaces:
    """Prepare the workplaces of one agent's program.

    `working_directory` is the one of the agents file. Without it the program works in the home of
    the system's user that it runs as, if the agents file names one; else in `workspace`, which is
    created; without that in its temporary folder.
    """

    program: Program
    command: tuple[str, ...]
    confinement: Confinement
    working_directory: Path | None = None
    workspace: Path | None = None

    @contextlib.contextmanager
    def prepare(
        self,
        environment: Mapping[str, str],
        files: Sequence[Path],
        mode: Mode,
        *,
        create: bool = True,
    ) -> Iterator[Workplace]:
        """Yield a workplace for one turn. Raises `ConfinementError` and `OSError`.

        If `create`, folders of the program's configuration are created: not for a question about
        the program alone, such as its version.
        """
        user = self.confinement.identity()  # Its user id, its group id, its other groups.
        owner = None if user is None else (user[0], user[1])
        with temporary_folder() as temporary:
            environment = {**environment, "TMPDIR": str(temporary)}
            if owner is not None:
                files = _copies(files, temporary, owner)
                # Last: from here on another agent of this user could put a link in our way.
                os.chown(temporary, *owner)
            folder = self._folder(temporary)
            for each in self.program.own_folders(environment) if create else ():
                _create(each, environment, owner)
            opened = [
                Opened(path=temporary, writable=True, ours=True),
                *self._opened(folder, environment, mode),
                *_message_files(files),
            ]
            yield Workplace(
                folder=folder,
                environment=environment,
                files=tuple(files),
                restrictions=self.confinement.restrictions(opened),
            )

    def check(self, environment: Mapping[str, str], mode: Mode) -> None:
        """Raise `ConfinementError` if this agent cannot be confined as configured."""
        folder = self.working_directory or self.workspace
        # A temporary folder, which a turn would get without these, can always be opened.
        self.confinement.check(() if folder is None else self._opened(folder, environment, mode))

    @property
    def given(self) -> Path | None:
        """The folder in which the program works, None if that is one of the bot's."""
        # A workspace is in a folder that only the bot's user can enter.
        home = self.confinement.variables().get("HOME")
        return Path(home) if home and not self.working_directory else self.working_directory

    @property
    def closed(self) -> Path | None:
        """The folder in which the program should work, if it is none that the bot can enter."""
        # With a dot, because a folder that one may not enter can be seen from outside.
        folder = self.given
        return folder if folder is not None and not os.path.isdir(f"{folder}/.") else None

    def _folder(self, temporary: Path) -> Path:
        if (folder := self.given) is not None:
            return folder
        if self.workspace is None:
            return temporary
        for folder in (self.workspace.parent, self.workspace):
            make_private_folder(folder)
        return self.workspace

    def _opened(self, folder: Path, environment: Mapping[str, str], mode: Mode) -> Iterator[Opened]:
        """Yield the paths that the program may use in *folder*, beside those of a single turn."""
        # The mode makes no difference to a command: only it knows what it does.
        writable = mode == "execute" or self.program is COMMAND
        if folder == self.working_directory:
            yield Opened(path=folder, writable=writable, key="working_directory")
        elif self.confinement.user is not None:
            yield Opened(path=folder, writable=True, key="user")
        else:
            # All channels share it: what one leaves there, such as an AGENTS.md, others would read.
            yield Opened(path=folder, writable=writable, ours=True)
        read = () if writable else self.program.read_folders(environment)
        for place in (
            *self.program.own_folders(environment),
            *self.program.own_files(environment),
        ):
            yield Opened(path=place, writable=place not in read, key="provider")
        for name in GIT_SETTINGS:
            yield Opened(path=Path(environment.get("HOME") or Path.home(), name))
        for name in PATHS:
            if environment.get(name):
                yield Opened(path=Path(environment[name]))
        for place in installed_files(self.command, environment.get("PATH", os.defpath), folder):
            yield Opened(path=place)


def _message_files(files: Sequence[Path]) -> Iterator[Opened]:
    """Yield the files of the message, and their folder if there is nothing else in it."""
    for folder in {path.parent for path in files}:
        if folder.is_dir() and set(folder.iterdir()) <= set(files):
            yield Opened(path=folder, ours=True)
    for path in files:
        yield Opened(path=path, ours=True)


def _copies(files: Sequence[Path], temporary: Path, owner: tuple[int, int]) -> tuple[Path, ...]:
    """Copy the files to where another user can read them."""
    folder = temporary / "files"
    folder.mkdir(mode=0o700)
    copies = [Path(shutil.copyfile(path, folder / path.name)) for path in files]
    for path in (folder, *copies):
        os.chown(path, *owner)
    return tuple(copies)


def _create(folder: Path, environment: Mapping[str, str], owner: tuple[int, int] | None) -> None:
    """Create a folder of a program's configuration, which it cannot do itself when confined.

    One outside the home was configured by somebody, who creates it. If ours cannot be created, the
    program says so itself, and better.
    """
    home = real(Path(environment.get("HOME") or Path.home()))
    missing = [each for each in (folder, *folder.parents) if not os.path.exists(each)]
    if not missing:
        return
    parent = real(missing[-1].parent)
    if not inside(parent, home):
        return
    names = [each.name for each in reversed(missing)]
    with contextlib.suppress(OSError), contextlib.ExitStack() as opened:
        # Step by step, and by descriptors: the home is that of the user, who may exchange a folder
        # for a link at any moment.
        within = _open_folder("/", None, opened, PASSING)
        for name in parent.parts[1:]:
            within = _open_folder(name, within, opened, PASSING)
        for name in names:
            try:
                os.mkdir(name, 0o700, dir_fd=within)
            except FileExistsError:  # Another turn was faster.
                within = _open_folder(name, within, opened, PASSING)
                continue
            within = _open_folder(name, within, opened, os.O_RDONLY)
            if owner is not None:
                os.fchown(within, *owner)


def _open_folder(name: str, within: int | None, opened: contextlib.ExitStack, how: int) -> int:
    """Open a folder, but not through a link. It is closed with `opened`."""
    flags = how | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, dir_fd=within)
    opened.callback(os.close, descriptor)
    return descriptor
