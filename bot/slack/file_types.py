"""Tell from its details, and then from its contents, whether agents can read a file."""

import codecs
import re
from collections.abc import Mapping
from enum import Enum
from pathlib import Path

from bot.slack.download_error import DownloadError

EXTENSIONS: Mapping[str, str] = {
    "text/plain": ".txt",
    "text/markdown": ".md",
    "text/vtt": ".vtt",
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
    "application/vnd.slack-docs": ".html",
}
"""MIME types that agents can read, and the extension with which such a file is stored."""

CANVAS = "application/vnd.slack-docs"
"""A canvas, which Slack sends as a fragment of HTML."""


class Page(Enum):
    """How much of a web page a file may be. Any more is Slack's login page in its place."""

    NONE = "none"
    FRAGMENT = "fragment"
    WHOLE = "whole"


BINARY = re.compile(
    r"(?:audio|font|image|model|video)/.+"
    r"|application/(?:java-archive|msword|x-(?:7z-.+|bzip2?|dosexec|executable|mach-binary"
    r"|msdownload|rar(?:-compressed)?|sharedlib|tar|xz)|gzip|x-gzip|zip|zstd"
    r"|vnd\.(?!ms-excel$).+|wasm)"
)
"""MIME types that are never text. A file of any other type is text if its content is: Slack has a
type for many languages, and none for others, and Windows calls a CSV ms-excel."""

UNTOLD = frozenset(("", "application/octet-stream"))
"""MIME types of a file that Slack does not know, or has not looked at yet: it scans what was
uploaded, and may send the message before it is done."""

BY_EXTENSION: Mapping[str, str] = {
    ".jpeg": "image/jpeg",
    ".pdf": "application/pdf",
    **{EXTENSIONS[kind]: kind for kind in EXTENSIONS if BINARY.fullmatch(kind) and kind != CANVAS},
}
"""The types that the name of such a file can tell. Text is known by its content."""

TEXT = re.compile(r"text/.+|.+\+(?:json|xml|yaml)|video/mp2t")
"""MIME types of text; the last one is what many programs think of TypeScript (`.ts`)."""

UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

ELSEWHERE: Mapping[str, str] = {
    "external": "it is stored outside Slack",
    "tombstone": "it was deleted",
    "hidden_by_limit": "the workspace's plan hides old files",
}
"""Values of a file's `mode` if Slack has no contents to send, and why."""


def mime_type_of(file: Mapping[str, object]) -> str:
    """Return the MIME type that Slack tells, else what the extension of its name means.

    Of a clip that Slack has written down, agents get the transcript.
    """
    if file.get("vtt"):
        return "text/vtt"
    told = str(file.get("mimetype") or "").partition(";")[0].strip().lower()
    if told not in UNTOLD:
        return told
    extension = "." + str(file.get("name") or "").rpartition(".")[2].lower()
    return BY_EXTENSION.get(extension, told)


def page_of(mime_type: str) -> Page:
    """Return how much of a web page a file of that type may be."""
    return {"text/html": Page.WHOLE, CANVAS: Page.FRAGMENT}.get(mime_type, Page.NONE)


def address_of(file: Mapping[str, object], mime_type: str, *, max_bytes: int) -> str:
    """Return the file's address. Raises `DownloadError` if its details already rule it out."""
    elsewhere = ELSEWHERE.get(str(file.get("mode")))
    if elsewhere is not None:
        raise DownloadError(str(file.get("mode")), elsewhere)
    if not (mime_type in EXTENSIONS or TEXT.fullmatch(mime_type)) and BINARY.fullmatch(mime_type):
        raise _unsupported(mime_type)
    if isinstance(transcript := file.get("vtt"), str):
        return transcript
    size = file.get("size")
    if isinstance(size, int) and size > max_bytes:
        raise DownloadError("too_large", f"it is larger than {max_bytes / 1_000_000:.3g} MB")
    address = file.get("url_private_download") or file.get("url_private")
    if not isinstance(address, str):
        raise DownloadError("address", "Slack gave no address for it")
    return address


def require_text(path: Path, mime_type: str) -> None:
    """Raise `DownloadError` if a stored file of an unknown type is not text."""
    is_known = mime_type in EXTENSIONS or mime_type.startswith("text/")
    if not is_known and not _is_text(path):
        raise _unsupported(mime_type)


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
