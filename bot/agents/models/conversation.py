"""A request as a conversation in turns, as model APIs take it: history, files, and the question."""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bot.agents.types import HistoryMessage, Request

HISTORY = 200_000
"""Characters: the newest messages of a longer thread, so that it can still be answered."""

TEXT = 200_000
"""Characters of all text files together."""

IMAGE = 3_900_000
"""Bytes: as base64 just below the 5 MiB that Anthropic takes for one image."""

IMAGES = 15_000_000
"""Bytes of all images together: as base64 well below the 32 MB of Anthropic's whole request."""

SIGNATURES: Mapping[bytes, str] = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}
"""How an image begins → its type. The name may lie, and then the API refuses all of the request."""

CUT = "[It is longer, and cut here.]"
EARLIER = "[Earlier messages of this conversation are left out.]"


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """`data` is base64."""

    media_type: str
    data: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatMessage:
    role: Literal["user", "assistant"]
    text: str
    images: tuple[Image, ...] = ()


def conversation(request: Request, *, agent: str) -> tuple[ChatMessage, ...]:
    """Turns that alternate, from a user's to the question: what `agent` wrote is the assistant's.

    Others are told apart by their names before what they said; a conversation that begins with
    the agent's own words begins with a user who quotes them.
    """
    turns: list[ChatMessage] = []
    for message in _newest(request.history):
        if message.author == agent and turns:
            _add(turns, ChatMessage(role="assistant", text=_clean(message.text)))
        else:
            _add(turns, ChatMessage(role="user", text=_clean(_line(message))))
    _add(turns, _question(request))
    return tuple(turns)


def _newest(history: tuple[HistoryMessage, ...]) -> list[HistoryMessage]:
    kept: list[HistoryMessage] = []
    left = HISTORY
    for message in reversed(history):
        left -= len(message.text)
        if left < 0:
            kept.append(HistoryMessage(author="tracebot", text=EARLIER))
            break
        if message.text.strip():
            kept.append(message)
    return kept[::-1]


def _add(turns: list[ChatMessage], turn: ChatMessage) -> None:
    if not turns or turns[-1].role != turn.role:
        turns.append(turn)
        return
    before = turns.pop()
    text = "\n\n".join(filter(None, (before.text, turn.text)))
    turns.append(ChatMessage(role=turn.role, text=text, images=turn.images))


def _line(message: HistoryMessage) -> str:
    # Indented, so that a line of somebody's text cannot pass for another author's.
    return f"{message.author}: " + message.text.replace("\n", "\n    ")


def _question(request: Request) -> ChatMessage:
    images, others = _images(request.files)
    text = "\n\n".join(filter(None, (*_texts(others), request.prompt)))
    return ChatMessage(role="user", text=_clean(text), images=images)


def _images(files: Iterable[Path]) -> tuple[tuple[Image, ...], list[Path]]:
    """The images among the files, and the rest: too large an image is one of the rest."""
    images: list[Image] = []
    others: list[Path] = []
    left = IMAGES
    for path in files:
        data = _beginning(path, IMAGE + 1)
        media_type = _image_type(data)
        if media_type is None or len(data) > min(IMAGE, left):
            others.append(path)
            continue
        left -= len(data)
        images.append(Image(media_type=media_type, data=base64.b64encode(data).decode("ascii")))
    return tuple(images), others


def _image_type(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((type for start, type in SIGNATURES.items() if data.startswith(start)), None)


def _texts(files: Iterable[Path]) -> list[str]:
    """Each file's text under its name; a file that is no text is only named."""
    said: list[str] = []
    left = TEXT
    for path in files:
        text = _read(path, left)
        if text is None:
            said.append(f"[The file {path.name} cannot be read here.]")
            continue
        left -= min(len(text), left)
        said.append(f'<file name="{path.name}">\n{text}\n</file>')
    return said


def _read(path: Path, most: int) -> str | None:
    """At most `most` characters of a text file; None where it is none."""
    data = _beginning(path, 4 * TEXT)
    if not data or b"\0" in data:
        return None
    try:
        # What is cut may be cut within a character.
        text = data.decode("utf-8-sig", "strict" if len(data) < 4 * TEXT else "ignore")
    except UnicodeDecodeError:
        return None
    return text if len(text) <= most else f"{text[:most]}\n{CUT}"


def _beginning(path: Path, most: int) -> bytes:
    """Nothing where the file is gone: the question is still asked."""
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError:
        return b""


def _clean(text: str) -> str:
    """Without halves of characters, which no JSON of a request can hold."""
    return text.encode("utf-8", "replace").decode()
