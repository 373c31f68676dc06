"""Write what Slack shows below a message as text: alerts of apps, forwarded messages, tables.

Slack calls all of them attachments, and previews of links as well, which are not part of what
somebody wrote. Files are something else: see `bot.slack.attachments`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bot.agents.types import time_of
from bot.slack.conversation.blocks import blocks_text, objects
from bot.slack.conversation.mrkdwn import link, readable, unescaped
from bot.slack.conversation.names import LONGEST_FILE_NAME, Names, plain_name

Json = Mapping[str, Any]

NO_FALLBACK = "[no preview available]"
"""The `fallback` that Slack gives to an attachment of blocks."""


def is_forwarded(attachment: Json) -> bool:
    """Return True for a message that somebody forwarded, or linked to so that Slack shows it."""
    return bool(attachment.get("is_share") or attachment.get("is_msg_unfurl"))


def is_preview(attachment: Json) -> bool:
    """Return True for the preview of a link, which Slack or an app adds to a message later."""
    if is_forwarded(attachment):
        return False
    return bool(attachment.get("from_url") or attachment.get("is_app_unfurl"))


def is_pasted_table(attachment: Json) -> bool:
    """Return True for a table that a person pasted: Slack attaches it to what they typed."""
    return bool(attachment.get("blocks")) and not (
        is_forwarded(attachment) or is_preview(attachment)
    )


def attachments_text(attachments: Iterable[Json], names: Names) -> str:
    """Return the text of attachments, without previews of links."""
    texts = (_attachment(each, names) for each in attachments if not is_preview(each))
    return "\n\n".join(filter(None, texts))


def together(before: str, after: str) -> str:
    """Return both texts, or only the one that has all the words of the other."""
    said, shown = spaced(before), spaced(after)
    if said in shown:
        return after
    return before if shown in said else f"{before}\n{after}"


def spaced(text: str) -> str:
    """Return the text without Slack's marks of style, one space between words and at the ends."""
    found = re.findall(r"[^\s*_~`]+", text)
    return f" {' '.join(found) or text.strip()} " if text.strip() else ""


def file_notes(files: Iterable[Json]) -> list[str]:
    """Return a line for each file of a message."""
    return [
        "[a file that was deleted]"
        if each.get("mode") == "tombstone"
        else f"[file: {file_name(each)}{_sender(each)}]"
        for each in files
    ]


def spoken(files: Iterable[Json]) -> list[str]:
    """Return what is said in voice and video clips, as far as Slack has written it down."""
    transcripts = (each.get("transcription") for each in files)
    complete = [
        each.get("preview")
        for each in transcripts
        if isinstance(each, Mapping) and each.get("status") == "complete"
    ]
    return [
        f"{each.get('content') or ''}{' …' if each.get('has_more') else ''}"
        for each in complete
        if isinstance(each, Mapping)
    ]


def file_name(file: Json) -> str:
    """Return the name that people see, on one line."""
    keys = ("title", "name") if _has_title(file) else ("name", "title")
    name = file.get(keys[0]) or file.get(keys[1])
    return plain_name(name, longest=LONGEST_FILE_NAME) or "unnamed"


def _has_title(file: Json) -> bool:
    """Return True for a canvas, a list or an email, which has a title and no name of a file."""
    kind = str(file.get("mimetype") or "")
    return file.get("mode") == "email" or kind.startswith("application/vnd.slack-")


def _sender(file: Json) -> str:
    """Return who sent an email that was forwarded to Slack: its contents are only the body."""
    people = (
        link(plain_name(each.get("address")), plain_name(each.get("name")))
        for each in objects(file, "from")
    )
    named = ", ".join(filter(None, people))
    return named and f", an email from {named}"


def _attachment(attachment: Json, names: Names) -> str:
    return (_forwarded if is_forwarded(attachment) else _card)(attachment, names)


def forwarding(attachment: Json, names: Names) -> str:
    """Return a line that says whose message is forwarded, and where and when they wrote it."""
    author = attachment.get("author_name") or attachment.get("author_subname")
    if not author and attachment.get("author_id"):
        author = names.user(str(attachment["author_id"]))
    channel = str(attachment.get("channel_id") or "")
    facts = (
        f"[Forwarded message of {plain_name(author) or 'somebody'}",
        f"in #{names.channel(channel)}" if channel.startswith("C") else "",
        time_of(str(attachment.get("ts") or "")),
        _address(attachment, "from_url") or _address(attachment, "original_url"),
    )
    return ", ".join(filter(None, facts)) + "]"


def _forwarded(attachment: Json, names: Names) -> str:
    """Return a forwarded message, its lines below one about its origin."""
    body = "\n".join(filter(None, _content(attachment, names))) or _text(
        attachment, "fallback", names
    )
    # Whatever ends a line: else its rest would be the words of whoever forwards it.
    return "\n".join([forwarding(attachment, names), *(f"> {line}" for line in body.splitlines())])


def _card(attachment: Json, names: Names) -> str:
    """Return what an app said in an attachment. Its `fallback` counts if there is nothing else."""
    before = (_text(attachment, key, names) for key in ("pretext", "author_name"))
    said = "\n".join(filter(None, (*before, *_content(attachment, names))))
    said = said or _text(attachment, "fallback", names).removeprefix(NO_FALLBACK)
    return "\n".join(filter(None, (said, _text(attachment, "footer", names))))


def _content(attachment: Json, names: Names) -> Iterator[str]:
    title, text = (_text(attachment, key, names) for key in ("title", "text"))
    yield link(_address(attachment, "title_link"), title) if title else ""
    # The blocks of a forwarded message, or of an app; mostly the text says the same.
    shown = together(text, "\n".join(_message_blocks(attachment, names)))
    yield together(shown, blocks_text(objects(attachment, "blocks"), names))
    yield from _fields(attachment, names)
    yield from spoken(objects(attachment, "files"))
    yield from file_notes(objects(attachment, "files"))
    yield from _buttons(attachment, names)
    yield attachments_text(objects(attachment, "attachments"), names)


def _message_blocks(attachment: Json, names: Names) -> Iterator[str]:
    for each in objects(attachment, "message_blocks"):
        message = each.get("message")
        yield blocks_text(objects(message, "blocks") if message else (), names)


def _fields(attachment: Json, names: Names) -> Iterator[str]:
    for field in objects(attachment, "fields"):
        yield ": ".join(filter(None, (_text(field, key, names) for key in ("title", "value"))))


def _buttons(attachment: Json, names: Names) -> Iterator[str]:
    for action in objects(attachment, "actions"):
        label = _text(action, "text", names) or _text(action, "name", names)
        yield link(_address(action, "url"), f"[{label}]") if label else ""


def _text(attachment: Json, key: str, names: Names) -> str:
    value = attachment.get(key)  # A number may be 0.
    return readable(str(value), names) if isinstance(value, str | int | float) else ""


def _address(attachment: Json, key: str) -> str:
    return unescaped(str(attachment.get(key) or ""))
