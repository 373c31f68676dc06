"""Fetch the files of a message and of its thread, so that agents can read them.

Each turn has a folder of its own, and its agents are given no other: "the other files in that
folder" are those of the same conversation. A file is stored under its id, never under its own name,
which a stranger chose; agents are told both. An error in one file is reported as a `RefusedFile`
and does not keep the others from being fetched.
"""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bot.slack.conversation.message_attachments import file_name
from bot.slack.download_error import DownloadError
from bot.slack.file_types import EXTENSIONS, address_of, mime_type_of, page_of, require_text
from bot.slack.known_files import KnownFiles
from bot.slack.turn_folders import TurnFolder, safe_id
from storage import ActiveSpan, Observability

if TYPE_CHECKING:
    from bot.slack.download import Downloader

SLACK_FILES = "https://files.slack.com"

AT_ONCE = 4
"""Files of a turn that are fetched at the same time."""

Info = Callable[[str], Mapping[str, object]]


@dataclass(frozen=True, kw_only=True, slots=True)
class FileLimits:
    """Limits for one file, in bytes and seconds, and for those of a turn together.

    `timeout_s` covers all attempts at one file. `total_s` is the time after which no other file is
    begun: somebody waits for an answer.
    """

    max_bytes: int = 10 * 1024 * 1024
    max_files: int = 10
    timeout_s: float = 30.0
    total_s: float = 60.0
    attempts: int = 3
    free_disk: int = 100_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchedFile:
    """A file on disk, and the name by which people know it. That name is not recorded."""

    path: Path
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RefusedFile:
    """A file that was not fetched. The reason contains neither its name nor its address."""

    file_id: str
    name: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchResult:
    """The fetched files, in the order in which they were wanted, and those not fetched."""

    files: tuple[FetchedFile, ...] = ()
    refused: tuple[RefusedFile, ...] = ()

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(each.path for each in self.files)

    @property
    def names(self) -> Mapping[str, str]:
        """Return the names that people gave the files, by their names on disk."""
        return {each.path.name: each.name for each in self.files}


@dataclass(frozen=True, kw_only=True)
class FileDownloads:
    """Fetch files into folders of their turns within `folder`.

    `info` asks Slack for the details of a file by its id, if the event does not have them.
    """

    folder: Path
    token: str = field(repr=False)
    origins: frozenset[str] = frozenset({SLACK_FILES})
    limits: FileLimits = field(default_factory=FileLimits)
    observability: Observability
    info: Info | None = None
    known: KnownFiles = field(default_factory=KnownFiles)
    sleep: Callable[[float], object] = time.sleep
    now: Callable[[], float] = time.monotonic

    def fetch(self, files: Sequence[Mapping[str, object]], *, trace_id: str) -> FetchResult:
        """Fetch Slack's `files`, the most wanted first, for the turn with this `trace_id`.

        Never raises for an error in one of them. The folder is new at each call: a message that is
        edited and asked again shares none with its first turn.
        """
        fetched: list[FetchedFile] = []
        refused: list[RefusedFile] = []
        folder = TurnFolder(self.folder, trace_id)
        ends_at = self.now() + self.limits.total_s
        left = list(files)
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="tracebot-files") as threads:
            # As many as there is room for, and then others for those that were refused.
            while left and (room := self.limits.max_files - len(fetched)):
                begun, left = left[:room], left[room:]
                # Each in a copy of our context, so that its span lies below ours.
                pending = [
                    threads.submit(copy_context().run, self._fetch, file, folder, ends_at)
                    for file in begun
                ]
                results = [each.result() for each in pending]
                fetched += [each for each in results if isinstance(each, FetchedFile)]
                refused += [each for each in results if isinstance(each, RefusedFile)]
        no_room = f"at most {self.limits.max_files} files of a conversation are read"
        refused += [_refused(file, no_room) for file in left]
        if not fetched:
            folder.remove()
        return FetchResult(files=tuple(fetched), refused=tuple(refused))

    def _fetch(
        self, file: Mapping[str, object], folder: TurnFolder, ends_at: float
    ) -> FetchedFile | RefusedFile:
        if self.now() > ends_at:
            return _refused(file, "the files before it took too long")
        identity = safe_id(file.get("id"))
        with self.observability.span("download file", kind="client", file_id=identity) as span:
            try:
                details = self._with_details(file)
                path = self._store(folder.path(), identity, details, span)
                return FetchedFile(path=path, name=file_name(details))
            except Exception as error:  # An error in one file must not cost the whole answer.
                return _refused(file, _reason(error, span))

    def _with_details(self, file: Mapping[str, object]) -> Mapping[str, object]:
        """Return the file's details. Events leave them out for files of another workspace."""
        if file.get("file_access") != "check_file_info":
            return file
        if self.info is None:
            raise DownloadError("file_access", "it comes from another workspace")
        return self.info(str(file.get("id")))

    def _store(
        self, folder: Path, identity: str, file: Mapping[str, object], span: ActiveSpan
    ) -> Path:
        mime_type = mime_type_of(file)
        span.set(mime_type=mime_type)
        address = address_of(file, mime_type, max_bytes=self.limits.max_bytes)
        most = AT_ONCE * self.limits.max_bytes
        if shutil.disk_usage(folder).free - most < self.limits.free_disk:
            raise DownloadError("disk_full", "there is too little space on the disk")
        path = folder / f"{identity}{EXTENSIONS.get(mime_type, '.txt')}"
        copied = self.known.copy(file, path, max_bytes=self.limits.max_bytes)
        if copied is not None:
            span.set(bytes=copied, attempts=0)
            return path
        done = self._downloader().download(address, path, page=page_of(mime_type))
        span.set(bytes=done.size, attempts=done.attempts)
        try:
            require_text(path, mime_type)
        except DownloadError:
            path.unlink()
            raise
        self.known.remember(file, path)
        return path

    def _downloader(self) -> "Downloader":
        # Imported late: httpx takes 0.1 s, and most questions come without a file.
        from bot.slack.download import Downloader

        return Downloader(
            token=self.token,
            origins=self.origins,
            max_bytes=self.limits.max_bytes,
            timeout_s=self.limits.timeout_s,
            attempts=self.limits.attempts,
            sleep=self.sleep,
            now=self.now,
        )


def _refused(file: Mapping[str, object], reason: str) -> RefusedFile:
    return RefusedFile(file_id=safe_id(file.get("id")), name=file_name(file), reason=reason)


def _reason(error: Exception, span: ActiveSpan) -> str:
    """Record why a file was not fetched, and return it as users and agents may know it."""
    if isinstance(error, DownloadError):
        error_type, reason = error.error_type, error.reason
    elif isinstance(error, OSError):
        error_type, reason = "disk", f"it could not be stored ({error.strerror})"
    else:
        span.record_exception(error)
        error_type, reason = type(error).__name__, "it could not be fetched"
    span.fail(error_type, reason)
    return reason
