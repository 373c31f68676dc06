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
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from bot.slack.conversation.message_attachments import file_name
from bot.slack.download import Downloader, DownloadError
from storage import ActiveSpan, Observability

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
    sleep: Callable[[float], object] = time.sleep
    now: Callable[[], float] = time.monotonic

    def fetch(self, files: Sequence[Mapping[str, object]], *, trace_id: str) -> FetchResult:
        """Fetch Slack's `files`, the most wanted first, for the turn with this `trace_id`.

        Never raises for an error in one of them. The folder is new at each call: a message that is
        edited and asked again shares none with its first turn.
        """
        folder: Path | None = None
        fetched: list[FetchedFile] = []
        refused: list[RefusedFile] = []
        ends_at = self.now() + self.limits.total_s
        for file in files:
            identity, name = safe_id(file.get("id")), file_name(file)
            if reason := self._no_more(len(fetched), ends_at):
                refused.append(RefusedFile(file_id=identity, name=name, reason=reason))
                continue
            with self.observability.span("download file", kind="client", file_id=identity) as span:
                try:
                    folder = folder or self._new_folder(trace_id)
                    details = self._with_details(file)
                    path = self._store(folder, identity, details, span)
                    fetched.append(FetchedFile(path=path, name=file_name(details)))
                except Exception as error:  # An error in one file must not cost the whole answer.
                    reason = _reason(error, span)
                    refused.append(RefusedFile(file_id=identity, name=name, reason=reason))
        if folder is not None and not fetched:
            # It is gone already if the question was deleted, and what is kept of it erased.
            with suppress(FileNotFoundError):
                folder.rmdir()
        return FetchResult(files=tuple(fetched), refused=tuple(refused))

    def _no_more(self, fetched: int, ends_at: float) -> str:
        """Return why no other file is fetched; empty if one may be."""
        if fetched >= self.limits.max_files:
            return f"at most {self.limits.max_files} files of a conversation are read"
        return "the files before it took too long" if self.now() > ends_at else ""

    def _new_folder(self, trace_id: str) -> Path:
        """Create the folder of a turn, which only the bot's user can enter."""
        make_private(self.folder)
        return Path(tempfile.mkdtemp(prefix=f"{safe_id(trace_id)}-", dir=self.folder))

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
        if shutil.disk_usage(folder).free - self.limits.max_bytes < self.limits.free_disk:
            raise DownloadError("disk_full", "there is too little space on the disk")
        path = folder / f"{identity}{EXTENSIONS.get(mime_type, '.txt')}"
        done = self._downloader().download(address, path, html=mime_type == "text/html")
        span.set(bytes=done.size, attempts=done.attempts)
        is_known = mime_type in EXTENSIONS or mime_type.startswith("text/")
        if not is_known and not _is_text(path):
            path.unlink()
            raise _unsupported(mime_type)
        return path

    def _downloader(self) -> Downloader:
        return Downloader(
            token=self.token,
            origins=self.origins,
            max_bytes=self.limits.max_bytes,
            timeout_s=self.limits.timeout_s,
            attempts=self.limits.attempts,
            sleep=self.sleep,
            now=self.now,
        )


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
