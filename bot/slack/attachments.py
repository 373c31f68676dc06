"""Fetch the files of a message and of its thread, so that agents can read them.

Each turn has a folder of its own, and its agents are given no other: "the other files in that
folder" are those of the same conversation. A file is stored under its id, never under its own name,
which a stranger chose; agents are told both. An error in one file is reported as a `RefusedFile`
and does not keep the others from being fetched.
"""

import codecs
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bot.slack.conversation.message_attachments import file_name
from bot.slack.download_error import DownloadError
from bot.slack.known_files import KnownFiles
from storage import ActiveSpan, Observability

if TYPE_CHECKING:
    from bot.slack.download import Downloader

__all__ = [
    "SLACK_FILES",
    "FetchResult",
    "FileDownloads",
    "FileLimits",
    "RefusedFile",
    "delete_old_files",
]

SLACK_FILES = "https://files.slack.com"

EXTENSIONS: Mapping[str, str] = {
    "text/plain": ".txt",
    "text/markdown": ".md",
    "text/csv": ".csv",
    "text/tab-separated-values": ".tsv",
    "text/html": ".html",
    "text/css": ".css",
    "text/javascript": ".js",
    "text/xml": ".xml",
    "text/x-python": ".py",
    "text/x-diff": ".diff",
    "application/json": ".json",
    "application/xml": ".xml",
    "application/yaml": ".yaml",
    "application/x-yaml": ".yaml",
    "application/toml": ".toml",
    "application/pdf": ".pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/gif": ".gif",
    "image/webp": ".webp",
}
"""MIME types that agents can read, and the extension with which such a file is stored."""

BINARY = re.compile(
    r"(?:audio|font|image|model|video)/.+"
    r"|application/(?:java-archive|msword|x-(?:7z-.+|bzip2?|dosexec|executable|mach-binary"
    r"|msdownload|rar(?:-compressed)?|sharedlib|tar|xz)|gzip|x-gzip|zip|zstd|vnd\..+|wasm)"
)
"""MIME types that are never text. A file of any other type is text if its content is: Slack has a
type for many languages, and none for others."""

TEXT = re.compile(r"text/.+|.+\+(?:json|xml|yaml)|video/mp2t")
"""MIME types of text; the last one is what many programs think of TypeScript (`.ts`)."""

UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


ELSEWHERE: Mapping[str, str] = {
    "external": "it is stored outside Slack",
    "tombstone": "it was deleted",
    "hidden_by_limit": "the workspace's plan hides old files",
}
"""Values of a file's `mode` if Slack has no contents to send, and why."""

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
        self, file: Mapping[str, object], folder: "TurnFolder", ends_at: float
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
        mime_type = _mime_type(file)
        span.set(mime_type=mime_type)
        address = _address(file, mime_type, self.limits)
        most = AT_ONCE * self.limits.max_bytes
        if shutil.disk_usage(folder).free - most < self.limits.free_disk:
            raise DownloadError("disk_full", "there is too little space on the disk")
        path = folder / f"{identity}{EXTENSIONS.get(mime_type, '.txt')}"
        copied = self.known.copy(file, path, max_bytes=self.limits.max_bytes)
        if copied is not None:
            span.set(bytes=copied, attempts=0)
            return path
        done = self._downloader().download(address, path, html=mime_type == "text/html")
        span.set(bytes=done.size, attempts=done.attempts)
        is_known = mime_type in EXTENSIONS or mime_type.startswith("text/")
        if not is_known and not _is_text(path):
            path.unlink()
            raise _unsupported(mime_type)
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


class TurnFolder:
    """The folder of a turn, which only the bot's user can enter. It is created when it is needed.

    May be used from several threads at once.
    """

    def __init__(self, files: Path, trace_id: str) -> None:
        self._files = files
        self._prefix = f"{safe_id(trace_id)}-"
        self._path: Path | None = None
        self._lock = threading.Lock()

    def path(self) -> Path:
        with self._lock:
            if self._path is None:
                make_private(self._files)
                self._path = Path(tempfile.mkdtemp(prefix=self._prefix, dir=self._files))
            return self._path

    def remove(self) -> None:
        """Remove it if it exists, empty."""
        # It is gone already if the question was deleted, and what is kept of it erased.
        if self._path is not None:
            with suppress(FileNotFoundError):
                self._path.rmdir()


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


def safe_id(value: object) -> str:
    """Return a file name made of the id alone, whatever characters were sent as an id."""
    return re.sub(r"[^A-Za-z0-9_-]", "", str(value or ""))[:64] or "unnamed"


def make_private(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)


def _mime_type(file: Mapping[str, object]) -> str:
    return str(file.get("mimetype") or "").partition(";")[0].strip().lower()


def _address(file: Mapping[str, object], mime_type: str, limits: FileLimits) -> str:
    """Return the file's address. Raises `DownloadError` if its details already rule it out."""
    elsewhere = ELSEWHERE.get(str(file.get("mode")))
    if elsewhere is not None:
        raise DownloadError(str(file.get("mode")), elsewhere)
    if not (mime_type in EXTENSIONS or TEXT.fullmatch(mime_type)) and BINARY.fullmatch(mime_type):
        raise _unsupported(mime_type)
    size = file.get("size")
    if isinstance(size, int) and size > limits.max_bytes:
        raise DownloadError("too_large", f"it is larger than {limits.max_bytes / 1_000_000:.3g} MB")
    address = file.get("url_private_download") or file.get("url_private")
    if not isinstance(address, str):
        raise DownloadError("address", "Slack gave no address for it")
    return address


def _is_text(path: Path) -> bool:
    """Return True if a file is text in UTF-8, or in UTF-16 as programs of Windows mark it."""
    data = path.read_bytes()
    try:
        text = data.decode("utf-16" if data.startswith(UTF_16) else "utf-8")
    except UnicodeDecodeError:
        return False
    return "\0" not in text


def _unsupported(mime_type: str) -> DownloadError:
    # The sender of the file chose its type, which may be shown in Slack.
    known = re.fullmatch(r"[a-z]+/[a-z0-9.+-]{1,80}", mime_type)
    shown = mime_type if known else "unknown"
    return DownloadError("mime_type", f"files of type {shown} are not supported")


def delete_old_files(folder: Path, *, before: float) -> int:
    """Delete the files of turns before a time in seconds since the epoch; return how many.

    A turn's folder goes as a whole, once nothing in it has changed since then.
    """
    deleted = 0
    for turn in folder.iterdir() if folder.is_dir() else ():
        # Links are not followed: one that an agent made may lead to files that are not ours.
        is_folder = turn.is_dir() and not turn.is_symlink()
        # An earlier version stored the files of all turns in `folder` itself.
        files = [path for path in turn.rglob("*") if not path.is_dir()] if is_folder else [turn]
        with suppress(FileNotFoundError):  # Another process deletes them, too.
            if max(path.lstat().st_mtime for path in (turn, *files)) < before:
                shutil.rmtree(turn) if is_folder else turn.unlink()
                deleted += len(files)
    return deleted
