"""What an agent said, as Slack messages: within its limits, and without ringing anybody's bell."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.agents.cancellation import DELETION, SHELL, SHUTDOWN
from bot.slack.threads import REPLY_EVENT
from reports.render.block_kit import STOP, button, clipped, context, escape, section

MARKDOWN_LIMIT = 11_000
"""Slack takes 12,000 characters of markdown, and about 13,000 of blocks in all."""

TEXT_LIMIT = 4_000
"""`chat.update` refuses a longer text."""

RUNNING_LIMIT = 8_000
"""Of a reply that is still being written: past this its end is shown."""

PING = re.compile(r"<(?=[!@]|#)")
ZERO_WIDTH_SPACE = "\u200b"
NOTHING_SAID = "(The agent said nothing.)"

Message = dict[str, Any]


def reply_messages(
    text: str, *, payload: Mapping[str, str], note: str = "", limit: int = MARKDOWN_LIMIT
) -> list[Message]:
    """The arguments of `chat.postMessage` for each part of an answer, metadata included.

    `note` is a word of our own below it, in mrkdwn: why it ends here, who answered instead.
    """
    said = text.strip() or ("" if note else NOTHING_SAID)
    parts = list(split(said, limit=limit)) if said else [""]
    return [
        _message(part, note if number == len(parts) else "", {**payload, "part": str(number)})
        for number, part in enumerate(parts, 1)
    ]


def _message(part: str, note: str, payload: Mapping[str, str]) -> Message:
    blocks = [{"type": "markdown", "text": silence(part)}] if part else []
    if note:
        blocks.append(context(note) if part else section(note))
    return {
        "text": _plain(part, note),
        "blocks": blocks,
        "metadata": {"event_type": REPLY_EVENT, "event_payload": dict(payload)},
        "unfurl_links": False,
        "unfurl_media": False,
    }


def _plain(said: str, note: str) -> str:
    """What notifications show, and where there are no blocks; never without the note."""
    return "\n".join(filter(None, (clipped(escape(said), TEXT_LIMIT - len(note) - 1), note)))


def running_message(agent: str, text: str, *, tool: str | None, trace_id: str) -> Message:
    """A reply that is still being written: what there is of it, what its agent does, and Stop."""
    shown = text if len(text) <= RUNNING_LIMIT else f"…{text[-RUNNING_LIMIT:]}"
    markdown = [{"type": "markdown", "text": silence(shown)}] if shown.strip() else []
    doing = _doing(agent, tool)
    return {
        "text": _plain(shown.strip(), doing),
        "blocks": [*markdown, context(doing), stop_button(trace_id)],
    }


def _doing(agent: str, tool: str | None) -> str:
    doing = f" {clipped(escape(tool), 200)}" if tool else ""
    return f":hourglass_flowing_sand: {escape(agent)} is at work …{doing}"


def running_blocks(agent: str, trace_id: str) -> list[Message]:
    """What stands in a streamed reply from its beginning until its end."""
    return [context(_doing(agent, None)), stop_button(trace_id)]


def stop_button(trace_id: str) -> Message:
    return {"type": "actions", "elements": [button("Stop", STOP, trace_id)]}


WHY = {
    "not_found": "its program or its server is not there: whoever runs me should see to it",
    "not_started": "it cannot be started: whoever runs me should look at it",
    "timeout": "it ran out of time: ask for less at once, or ask again",
    "crash": "it ended with an error: ask again, or ask another agent",
    "quota": "its quota is used up: ask again later, or ask another agent",
    "authentication": "it is not signed in, or its key is wrong: whoever runs me should see to it",
    "refused": "it refused: put the question differently",
    "empty": "it ended without an answer: ask again",
}
"""What a user is told of an agent's error, and what to do: never the exception's text."""


def failure_message(agent: str, error_type: str, *, trace_id: str) -> str:
    """What its user is told when an agent fails, and where to look."""
    why = WHY.get(error_type, "something went wrong")
    return (
        f"Sorry, {escape(agent)} could not answer: {why}. "
        f"See what happened with `/trace show {trace_id[:16]}`."
    )


STOPPED = {
    SHUTDOWN: "I am being restarted and had to stop: please ask again in a minute.",
    DELETION: "Stopped: the question was deleted.",
    SHELL: "Stopped from a shell.",
}


def stopped_message(by: str) -> str:
    """Who stopped an answer: a Slack user's id, or one of `STOPPED`."""
    user = re.fullmatch(r"[UW][A-Z0-9]+", by)
    why = f"Stopped by <@{by}>." if user else STOPPED.get(by, f"Stopped by {escape(by)}.")
    return f":octagonal_sign: {why}"


def fallback_message(configured: str, provider: str) -> str:
    """Another provider of the agent answered than its first."""
    if configured == provider:
        return f"The first {escape(configured)} was not available; another one answered."
    return f"{escape(configured)} was not available; {escape(provider)} answered."


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


def split(text: str, *, limit: int) -> Iterator[str]:
    """Parts of at most `limit` characters, ended at a paragraph, a line or a word where one is."""
    while len(text) > limit:
        cut = max((text.rfind(end, limit // 2, limit) for end in ("\n\n", "\n", " ")), default=-1)
        cut = cut if cut > 0 else limit
        yield text[:cut].rstrip()
        text = text[cut:].lstrip()
    yield text
