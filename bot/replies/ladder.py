"""Deliver an answer in the best form that Slack takes, so that no answer is lost.

From the best form to the plainest: blocks, the same in shorter parts or without what Slack refuses,
the words in sections, plain text, and a file. Each is tried at most once, and only after Slack has
refused the one before: a refusal has no effect, so that nothing is posted twice.
"""

import logging
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import chain

from slack_sdk.errors import SlackApiError

from bot.replies.messages import MARKDOWN_LIMIT, TEXT_LIMIT, Message, bounded
from bot.replies.text.split import split
from bot.slack.errors import SLACK_ERRORS, ThreadGone, error_code, is_gone, is_refusal
from reports.render.block_kit import SECTION, escape

SHORTER = 2_500
"""The length of a part if Slack finds a longer one too long."""

USUAL = frozenset(("markdown", "section", "context"))
"""The types of blocks that hold the words of a reply. It can do without any other."""

FILE_NAME = "answer.md"

Build = Callable[[int], list[Message]]
"""Returns the messages of an answer, in parts of at most this length."""

Form = Callable[[list[Message], SlackApiError], list[Message] | None]
"""Returns other messages for those that were refused, None if it would not change anything."""

logger = logging.getLogger("tracebot.ladder")


@dataclass(frozen=True, slots=True)
class Delivered:
    """The time stamps of an answer's messages, and the name of the form that Slack took."""

    posted: list[str]
    form: str


def deliver(
    text: str,
    build: Build,
    *,
    post: Callable[[list[Message]], list[str]],
    attach: Callable[[str, str], object],
) -> Delivered:
    """Deliver an answer whose Markdown is *text*.

    `post` posts messages, in place of those that it posted before. `attach` uploads a file with
    a name and a text. Raises one of `SLACK_ERRORS`: Slack's refusal of the last form, or an error
    that has nothing to do with the form.
    """
    forms = _forms(build)
    form, messages = "blocks", build(MARKDOWN_LIMIT)
    while True:
        try:
            return Delivered(post(messages), form)
        except SlackApiError as error:
            if _is_final(error):
                raise
            refused = error
        logger.info("Slack refuses an answer (%s): %s", form, error_code(refused))
        changed = _next_form(forms, messages, refused)
        if changed is None:
            return _as_file(text, messages, refused, post=post, attach=attach)
        form, messages = changed


def _is_final(error: SlackApiError) -> bool:
    """Return True if Slack would refuse every form, or did not say that it refused this one."""
    return not is_refusal(error) or is_gone(error_code(error))


def _forms(build: Build) -> dict[str, Form]:
    """Return the forms that are left, the best first."""

    def shorter(messages: list[Message], error: SlackApiError) -> list[Message] | None:
        parts, types = build(SHORTER), _types(messages)
        if "too_long" not in error_code(error) or "markdown" not in types:
            return None
        # Without what was refused before.
        parts = _without(parts, _types(parts) - types) or parts
        if "metadata" not in messages[0]:
            return _unmarked(parts)
        return [_marked(each, split="shorter") for each in parts]

    def plain_text(messages: list[Message], error: SlackApiError) -> list[Message]:
        # Of the whole answer: the messages may be without some of its blocks by now.
        texts = [text for message in build(MARKDOWN_LIMIT) for text in _texts(message["blocks"])]
        return [_plain_message(messages[0], text, part) for part, text in enumerate(texts, 1)]

    return {
        "without metadata": _without_metadata,
        "shorter parts": shorter,
        "without refused blocks": _without_refused,
        "words alone": _words_alone,
        "sections": _in_sections,
        "plain text": plain_text,
    }


def _next_form(
    forms: dict[str, Form], messages: list[Message], error: SlackApiError
) -> tuple[str, list[Message]] | None:
    """Return the best form that is left and may help, with its messages. It is left no longer."""
    for name in list(forms):
        changed = forms[name](messages, error)
        if changed and changed != messages:
            del forms[name]
            return name, changed
    return None


def _without_metadata(messages: list[Message], error: SlackApiError) -> list[Message] | None:
    if "metadata" not in error_code(error):
        return None
    return _unmarked(messages)


def _unmarked(messages: list[Message]) -> list[Message]:
    return [{key: message[key] for key in message if key != "metadata"} for message in messages]


def _without_refused(messages: list[Message], error: SlackApiError) -> list[Message] | None:
    """Leave out the blocks that the refusal names."""
    return _without(messages, set(_refused_types(messages, error)) - USUAL)


def _words_alone(messages: list[Message], error: SlackApiError) -> list[Message] | None:
    """Leave out every block that is not words: buttons, tables, charts, cards."""
    if "invalid_blocks" not in error_code(error):
        return None
    # If the refusal names blocks, these are not to blame.
    if set(_refused_types(messages, error)) & USUAL:
        return None
    return _without(messages, _types(messages) - USUAL)


def _types(messages: list[Message]) -> set[str]:
    return {block["type"] for message in messages for block in message["blocks"]}


def _without(messages: list[Message], types: Collection[str]) -> list[Message] | None:
    kept = [
        {**message, "blocks": [each for each in message["blocks"] if each["type"] not in types]}
        for message in messages
    ]
    return None if kept == messages else kept


def _in_sections(messages: list[Message], error: SlackApiError) -> list[Message] | None:
    changed = [
        {**message, "blocks": [each for block in message["blocks"] for each in _sections(block)]}
        for message in messages
    ]
    return None if changed == messages else changed


def _sections(block: Message) -> Iterator[Message]:
    if block["type"] != "markdown":
        yield block
        return
    for part in split(block["text"], limit=SECTION, measure=lambda text: len(escape(text))):
        yield {"type": "section", "text": {"type": "mrkdwn", "text": escape(part)}}


def _texts(blocks: list[Message]) -> Iterator[str]:
    """Yield the words of blocks in texts that `chat.update` takes, the bot's own at the end."""
    said = "\n\n".join(each["text"] for each in blocks if each["type"] == "markdown")
    own = [text for each in blocks if each["type"] in USUAL for text in _mrkdwn(each)]
    note = bounded("\n".join(own), TEXT_LIMIT // 2)
    room = TEXT_LIMIT - len(note.encode()) - 2
    parts = split(said, limit=room, measure=lambda text: len(escape(text).encode()))
    texts = [escape(part) for part in parts] or [""]
    texts[-1] = "\n\n".join(filter(None, (texts[-1], note)))
    yield from filter(None, texts)


def _mrkdwn(block: Message) -> Iterator[str]:
    for each in block.get("elements", (block.get("text"),)):
        if isinstance(each, dict):
            yield each["text"]


def _plain_message(like: Message, text: str, part: int) -> Message:
    """Return a message in place of the blocks of one that is *like* it."""
    message = {**like, "text": text, "blocks": []}
    return _marked(message, split="plain", part=str(part)) if "metadata" in like else message


def _marked(message: Message, **payload: str) -> Message:
    """Return a message with *payload* added to its metadata.

    An answer may be split again at other places. `split` names how, so that a repair does not mix
    parts of two splits.
    """
    metadata = message["metadata"]
    payload = {**metadata["event_payload"], **payload}
    return {**message, "metadata": {**metadata, "event_payload": payload}}


def _as_file(
    text: str,
    messages: list[Message],
    refused: SlackApiError,
    *,
    post: Callable[[list[Message]], list[str]],
    attach: Callable[[str, str], object],
) -> Delivered:
    try:
        attach(FILE_NAME, text)
    except ThreadGone:
        raise  # Not the form is to blame.
    except SLACK_ERRORS as error:
        logger.warning("Slack refuses an answer as a file, too: %s", error_code(error))
        raise refused from error
    note = (
        f"Slack did not take this answer as a message (`{error_code(refused)}`). It is in the file "
        f"`{FILE_NAME}` in this thread."
    )
    try:
        return Delivered(post([_plain_message(messages[0], note, 1)]), "file")
    except SLACK_ERRORS as error:
        # The answer is there. Raised, this would count as one that nobody got.
        logger.warning("A file with an answer is not announced: %s", error_code(error))
        return Delivered([], "file")


def _refused_types(messages: list[Message], error: SlackApiError) -> Iterator[str]:
    """Yield the types of the blocks that Slack's refusal names, by their place or their type."""
    response = error.response
    metadata = response.get("response_metadata")
    told = (response.get("errors"), metadata.get("messages") if isinstance(metadata, dict) else ())
    for text in map(str, chain.from_iterable(each for each in told if isinstance(each, list))):
        if named := re.search(r"unsupported type: (\w+)", text):
            yield named[1]
        elif place := re.search(r"\[json-pointer:/blocks/(\d+)", text):
            # It does not say of which message. All messages of an answer have similar blocks.
            for message in messages:
                yield from [each["type"] for each in message["blocks"][int(place[1]) :][:1]]
