"""Write one message of Slack as text: a person's, another app's or our own."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.slack.conversation.blocks import blocks_text, objects
from bot.slack.conversation.message_attachments import (
    attachments_text,
    file_name,
    file_notes,
    forwarding,
    is_forwarded,
    is_pasted_table,
    spaced,
    spoken,
    together,
)
from bot.slack.conversation.mrkdwn import link, readable
from bot.slack.conversation.names import Ids, Names
from bot.slack.conversation.own_words import own_words
from bot.slack.threads import reply_payload
from bot.slack.types import is_pasted

Message = Mapping[str, Any]

STAND_IN = re.compile(
    r"\AThis content can't be displayed\.\Z|\AThis message contains interactive elements\.\Z"
    r"|, with interactive elements\Z"
)
"""Slack's own words in the `text` that it makes up for a message of blocks alone."""

NOT_TOLD = re.compile(r"\[[^\[\]\n]*\](?: \(\S+\))?")
"""Images and buttons, which stand between the words of blocks and not in that text."""

UNSEEN = re.compile("(?<=[<@*~])\u200b|\u200b(?=[*~])")
"""Put in our replies to silence mentions and to show emphasis; see `bot.replies.text.presented`."""


FENCE = re.compile(r"^(?:```+|~~~+)(.*)$", re.MULTILINE)
OPENED = re.compile(r"(`{3,}(?!`)|~{3,}(?!~))(.*)\n")
CLOSED = re.compile(r"^(```+|~~~+)\n*\Z", re.MULTILINE)
"""The fences at the beginning and at the end of parts: of code that `bot.replies.text.split` cut,
or, which nobody can tell, of two pieces of code in one language that stood beside each other."""


def message_text(message: Message, names: Names, *, bot_id: str) -> str:
    """Return what a message says, with the names of its files. `bot_id` is our own."""
    own = message.get("bot_id") == bot_id
    said = _our_words(message, names) if own else words(message, names)
    return "\n".join(filter(None, (said, *file_notes(objects(message, "files")))))


def words(message: Message, names: Names, *, quoted: bool = True) -> str:
    """Return the words of somebody else's message, typed or said in a clip, without its files.

    Slack adds the blocks of what a person typed, and previews of its links; both say nothing new. A
    table that they pasted is in a block of its own, or attached, and in no text. An app may say all
    in blocks or attachments, or the same once more in its text. Without *quoted* there is nothing
    that others wrote, such as the title of a list: a message that is forwarded is only named.
    """
    text = readable(str(message.get("text") or ""), names)
    text = _with_titles(text, message) if quoted else text
    blocks, by_app = objects(message, "blocks"), is_by_app(message)
    attached = [
        forwarding(each, names)
        if is_forwarded(each) and not quoted
        else attachments_text([each], names)
        for each in objects(message, "attachments")
        if by_app or is_forwarded(each) or is_pasted_table(each)
    ]
    if by_app:
        text, shown = STAND_IN.sub("", text), blocks_text(blocks, names)
        if spaced(text) in spaced(NOT_TOLD.sub(" ", shown)):
            text = ""
        return together(together(text, shown), "\n\n".join(filter(None, attached)))
    own = [each for each in blocks if not text or is_pasted(each)]
    said = spoken(objects(message, "files"))
    parts = filter(None, (text, blocks_text(own, names), *said, *attached))
    return ("\n\n" if quoted else "\n").join(parts)


def _with_titles(text: str, message: Message) -> str:
    """Return *text* with the titles of its lists in place of their ids.

    Of a list that somebody mentions, people see the title, and the text has the bare id.
    """
    for file in objects(message, "files"):
        if (id := str(file.get("id") or "")) in text and id.isalnum():
            shown = link(str(file.get("permalink") or ""), file_name(file))
            text = shown.join(re.split(rf"(?<![\w/]){id}(?!\w)", text))
    return text


def is_by_app(message: Message) -> bool:
    """Return True for a message of an app. The oldest kind of webhook has no `bot_id`."""
    return bool(message.get("bot_id")) or message.get("subtype") == "bot_message"


def with_text(message: Message, text: str) -> Message:
    """Return a message with *text*, a part of its own, and without blocks that repeat the whole."""
    before, blocks = str(message.get("text") or ""), objects(message, "blocks")
    if is_by_app(message):
        told = spaced(readable(STAND_IN.sub("", before), Ids()))
        repeats = spaced(blocks_text(blocks, Ids())) in told
        blocks = [] if repeats else blocks
    elif before:
        blocks = [each for each in blocks if is_pasted(each)]
    return {**message, "text": text, "blocks": blocks}


def grouped(messages: Sequence[Message], *, bot_id: str) -> list[list[Message]]:
    """Return the messages in order, those together that are parts of one long answer of ours."""
    groups: list[list[Message]] = []
    answers: dict[tuple[Any, Any], list[Message]] = {}
    for message in messages:
        payload = reply_payload(message, bot_id=bot_id)
        answer = (payload.get("trace_id"), payload.get("agent"))
        if payload.get("part", "1") != "1" and answer in answers:
            answers[answer].append(message)
            continue
        groups.append([message])
        if all(answer):
            answers[answer] = groups[-1]
    return groups


def joined(parts: Sequence[str]) -> str:
    """Return the text of a long answer's parts, with code whole that goes on in the next part."""
    whole = parts[0]
    for part in parts[1:]:
        closed, opened = CLOSED.search(whole), OPENED.match(part)
        fences = FENCE.findall(whole)
        if closed and opened and len(fences) > 1 and (closed[1], fences[-2]) == opened.groups():
            whole = f"{whole[: closed.start(1)]}{part[opened.end() :]}"
        else:
            whole = f"{whole}\n\n{part}"
    return whole


def files_of(message: Message) -> Iterator[Message]:
    """Yield the files of a message, and of those that it forwards."""
    yield from objects(message, "files")
    for attachment in objects(message, "attachments"):
        yield from objects(attachment, "files") if is_forwarded(attachment) else ()


def _our_words(message: Message, names: Names) -> str:
    """Return an agent's words whole: `text` holds only the beginning of a long reply."""
    blocks = objects(message, "blocks")
    text = str(message.get("text") or "")
    said = own_words(blocks, names) if blocks else readable(text, names)
    return UNSEEN.sub("", said)
