"""Turn a request into the messages that model APIs take: history, files and the question."""

import base64
import codecs
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bot.agents.types import Request

MAX_TEXT = 200_000
"""Characters of all text files together."""

MAX_IMAGE = 3_900_000
"""Bytes. As base64 that is just below the 5 MiB that Anthropic takes for one image."""

MAX_IMAGES = 15_000_000
"""Bytes of all images together. As base64 that is well below Anthropic's 32 MB for a request."""

SIGNATURES: Mapping[bytes, str] = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}
"""First bytes of an image → its type. Names may lie, and then the API refuses the whole request."""

LETTER = re.compile(rb"[A-Za-z]")
CONTROL = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]")
"""Bytes that no text has. The escape character is not among them, as logs have colours."""

CUT = "[The file is longer and is cut here.]"
GUESSED = "[The file is not in UTF-8: some of its letters may be wrong.]"


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """An image; `data` is base64."""

    media_type: str
    data: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatMessage:
    """A message of one of the two sides that model APIs know."""

    role: Literal["user", "assistant"]
    text: str
    images: tuple[Image, ...] = ()


def conversation(
    request: Request, *, agent: str, with_images: bool = True
) -> tuple[ChatMessage, ...]:
    """Return messages that alternate between user and assistant; the last is the user's question.

    What `agent` wrote is the assistant's. Everybody else is the user, with the name before the
    text. APIs require that a user begins, so an agent's message at the very beginning is quoted as
    a user's. Unless *with_images*, images are only named.
    """
    messages: list[ChatMessage] = []
    for message in request.history:
        if not message.text.strip():
            continue
        if message.agent and message.author == agent and messages:
            _add(messages, ChatMessage(role="assistant", text=_clean(message.text)))
        else:
            _add(messages, ChatMessage(role="user", text=_clean(message.line)))
    _add(messages, _question(request, most=MAX_IMAGES if with_images else 0))
    return tuple(messages)


def _add(messages: list[ChatMessage], message: ChatMessage) -> None:
    """Append the message, or join it to the last one if both are of the same role."""
    if not messages or messages[-1].role != message.role:
        messages.append(message)
        return
    before = messages.pop()
    text = "\n\n".join(filter(None, (before.text, message.text)))
    messages.append(ChatMessage(role=message.role, text=text, images=message.images))


def _question(request: Request, *, most: int) -> ChatMessage:
    images, others = _images(request.files, most)
    # In a conversation a name says whose question it is; alone it would only be in the way.
    asked = f"{request.author}: " if request.author and request.history else ""
    text = "\n\n".join(filter(None, (*_texts(others, request), f"{asked}{request.prompt}")))
    return ChatMessage(role="user", text=_clean(text), images=images)


def _images(files: Iterable[Path], left: int) -> tuple[tuple[Image, ...], list[Path]]:
    """Return the images, and the other files.

    An image that is too large, alone or after *left* bytes of others, is among the others.
    """
    images: list[Image] = []
    others: list[Path] = []
    for path in files:
        data = _beginning(path, MAX_IMAGE + 1)
        media_type = _image_type(data)
        if media_type is None or len(data) > min(MAX_IMAGE, left):
            others.append(path)
            continue
        left -= len(data)
        images.append(Image(media_type=media_type, data=base64.b64encode(data).decode("ascii")))
    return tuple(images), others


def _image_type(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((type for start, type in SIGNATURES.items() if data.startswith(start)), None)


def _texts(files: Iterable[Path], request: Request) -> list[str]:
    """Return the text of each file with its name; a file that is not text is only named."""
    texts: list[str] = []
    left = MAX_TEXT
    for path in files:
        text, name = _read(path, left), request.name_of(path).replace('"', "'")
        if text is None:
            texts.append(f"[The file {name} cannot be read here.]")
            continue
        left -= min(len(text), left)
        texts.append(f'<file name="{name}">\n{text}\n</file>')
    return texts


def _read(path: Path, most: int) -> str | None:
    """Return at most `most` characters of a text file, None if it is not text."""
    data = _beginning(path, 4 * MAX_TEXT)
    marked = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    decoder = codecs.getincrementaldecoder("utf-16" if marked else "utf-8-sig")()
    try:
        # A cut may fall within a character.
        text = decoder.decode(data, final=len(data) < 4 * MAX_TEXT)
    except UnicodeDecodeError:
        text = "" if marked else _guessed(data)
    if not text or "\0" in text:
        return None
    return text if len(text) <= most else f"{text[:most]}\n{CUT}"


def _guessed(data: bytes) -> str:
    """Return text with a few broken bytes, or as Excel writes a CSV in western Europe.

    Return nothing if few of its letters are ASCII, as in other alphabets, or if it is binary.
    """
    if CONTROL.search(data):
        return ""
    text = data.decode("utf-8-sig", "replace")
    broken = text.count("\ufffd")
    others = len(text) - len(text.encode("ascii", "ignore"))
    if 10 * broken > others:
        if 2 * broken > len(LETTER.findall(data)):
            return ""
        text = data.decode("cp1252", "replace")
    return f"{GUESSED}\n{text}"


def _beginning(path: Path, most: int) -> bytes:
    """Return the first bytes of a file, none if it is gone: the question is asked all the same."""
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError:
        return b""


def _clean(text: str) -> str:
    """Replace halves of surrogate pairs, which cannot be encoded as UTF-8."""
    return text.encode("utf-8", "replace").decode()
