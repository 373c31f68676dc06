"""What an agent said, as Slack messages: within its limits, and without ringing anybody's bell."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from bot.thread import REPLY_EVENT

MARKDOWN_LIMIT = 11_000
"""Slack takes 12,000 characters of markdown, and about 13,000 of blocks in all."""

TEXT_LIMIT = 4_000
PING = re.compile(r"<(?=[!@]|#)")
ZERO_WIDTH_SPACE = "\u200b"

Message = dict[str, Any]


def reply_messages(text: str, *, payload: dict[str, str]) -> list[Message]:
    """The arguments of `chat.postMessage` for each part of an answer, metadata included."""
    return [
        {
            "text": escape(part[:TEXT_LIMIT]),
            "blocks": [{"type": "markdown", "text": silence(part)}],
            "metadata": {"event_type": REPLY_EVENT, "event_payload": payload},
            "unfurl_links": False,
            "unfurl_media": False,
        }
        for part in split(text.strip() or "(The agent said nothing.)", limit=MARKDOWN_LIMIT)
    ]


WHY = {
    "not_found": "its program is not installed here",
    "timeout": "it ran out of time",
    "crash": "it ended with an error",
    "quota": "its quota is used up",
    "authentication": "it is not signed in",
    "refused": "it refused",
}
"""What a user is told of an agent's error: its kind, never the exception's text."""


def failure_message(agent: str, error_type: str, *, trace_id: str) -> str:
    """What its user is told when an agent fails, and where to look."""
    why = WHY.get(error_type, "something went wrong")
    return (
        f"Sorry, {escape(agent)} could not answer: {why}. "
        f"See what happened with `/trace show {trace_id[:16]}`."
    )


def usage_message(bot_user: str, agents: Sequence[str]) -> str:
    """What somebody is told who asked nothing."""
    others = (
        f" Name an agent to ask that one (or several): {', '.join(f'`@{a}`' for a in agents)}."
        if len(agents) > 1
        else ""
    )
    return (
        f"Ask me something: <@{bot_user}> _what is in this file?_ In a thread that I answered in, "
        f"you need not mention me.{others} `/trace help` shows what I remember."
    )


def too_many_message(left_out: Sequence[str], *, most: int) -> str:
    """What somebody is told who named more agents than are asked at once."""
    return f"I ask at most {most} agents at once, so I left out {escape(', '.join(left_out))}."


def silence(text: str) -> str:
    """`text` without mentions: an agent notifies nobody, whatever it was told to say."""
    return PING.sub(f"<{ZERO_WIDTH_SPACE}", text)


def escape(text: str) -> str:
    """Exactly the three characters that Slack's mrkdwn takes for its own."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def split(text: str, *, limit: int) -> Iterator[str]:
    """Parts of at most `limit` characters, ended at a paragraph, a line or a word where one is."""
    while len(text) > limit:
        cut = max((text.rfind(end, limit // 2, limit) for end in ("\n\n", "\n", " ")), default=-1)
        cut = cut if cut > 0 else limit
        yield text[:cut].rstrip()
        text = text[cut:].lstrip()
    yield text
