"""Write what the bot posts: within Slack's limits, and without notifying anybody."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bot.agents.cancellation import DELETION, SHELL, SHUTDOWN
from bot.replies.text.plain_words import plain_words
from bot.replies.text.presented import NameOf, nobody, presented
from bot.replies.text.split import ending, split
from bot.slack.errors import is_gone
from bot.slack.threads import REPLY_EVENT
from reports.render.block_kit import (
    STOP,
    Block,
    button,
    clipped,
    context,
    escape,
    json_length,
    section,
)
from storage.model.trace_context import short_id

MARKDOWN_LIMIT = 11_000
"""Of a part, as `json_length` counts. Slack takes 12,000 characters of markdown, and about 13,000
of blocks in all."""

TEXT_LIMIT = 4_000
"""Bytes of UTF-8. `chat.update` refuses a longer text, also beside blocks."""

RUNNING_LIMIT = 8_000
"""Of a reply that still grows, as `json_length` counts. Of a longer one the end is shown."""

EMPTY_ANSWER = "(The agent gave an empty answer.)"

Message = dict[str, Any]
"""Arguments of `chat.postMessage`."""


def reply_messages(
    text: str,
    *,
    payload: Mapping[str, str],
    note: str = "",
    below: Sequence[Block] = (),
    limit: int = MARKDOWN_LIMIT,
    name_of: NameOf = nobody,
) -> list[Message]:
    """Return a message for each part of an answer, at most *limit* long as `json_length` counts.

    `payload` goes into the metadata of each. `note` is a sentence of the bot below the answer, in
    mrkdwn: why it ends here, or who answered instead. *below* are blocks at the very end.
    """
    said = presented(text, name_of)
    if not any(each.isprintable() and not each.isspace() for each in said):
        said = "" if note else EMPTY_ANSWER
    parts = split(said, limit=limit, measure=json_length) or [""]
    messages = [
        _message(part, note if number == len(parts) else "", {**payload, "part": str(number)})
        for number, part in enumerate(parts, 1)
    ]
    messages[-1]["blocks"] += below
    return messages


def _message(part: str, note: str, payload: Mapping[str, str]) -> Message:
    blocks = [{"type": "markdown", "text": part}] if part else []
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
    """Return the text for notifications and clients without blocks. It always has the note."""
    note = bounded(note, TEXT_LIMIT // 2)
    room = TEXT_LIMIT - len(note.encode()) - 1
    return "\n".join(filter(None, (bounded(escape(plain_words(said)), room), note)))


def bounded(text: str, most: int) -> str:
    """Return the beginning of an escaped *text*, at most *most* bytes of UTF-8 long."""
    encoded = text.encode()
    if len(encoded) <= most:
        return text
    kept = encoded[: most - len("…".encode())].decode(errors="ignore")
    return re.sub(r"&\w{0,4}$", "", kept).rstrip() + "…"


def running_id(trace_id: str, agent: str) -> str:
    """Return the id by which a running reply can be found: of its button's block or its task."""
    return f"running:{trace_id}:{agent}"[:255]


def running_message(agent: str, text: str, *, tool: str | None, trace_id: str) -> Message:
    """Return a reply that still grows: the text so far, the tool in use, and a Stop button.

    *text* is Markdown that is presentable already. Of a long one the end is shown.
    """
    shown = end_of(text, RUNNING_LIMIT)
    markdown = [{"type": "markdown", "text": shown}] if shown.strip() else []
    doing = _doing(agent, tool)
    return {
        "text": _plain(shown, doing),
        "blocks": [*markdown, context(doing), stop_button(agent, trace_id)],
    }


def end_of(text: str, limit: int) -> str:
    """Return the end of a long *text* below an ellipsis; the whole text if that is short enough.

    `limit` is as `json_length` counts.
    """
    shown = ending(text, limit=limit, measure=json_length)
    return shown if shown == text else f"…\n\n{shown}"


def _doing(agent: str, tool: str | None) -> str:
    doing = f" {clipped(escape(tool), 200)}" if tool else ""
    return f":hourglass_flowing_sand: {escape(at_work(agent))}{doing}"


def at_work(agent: str) -> str:
    """Return what a running reply says about its agent."""
    return f"{agent} is at work …"


def stop_button(agent: str, trace_id: str) -> Message:
    """Return a block with the button that cancels the turn."""
    return {
        "type": "actions",
        "block_id": running_id(trace_id, agent),
        "elements": [button("Stop", STOP, trace_id)],
    }


ASK_OPERATOR = "Please tell the person who runs me."

FAILURES: Mapping[str, tuple[str, str]] = {
    "not_found": ("its program or its server cannot be found", ASK_OPERATOR),
    "not_started": ("it could not be started", ASK_OPERATOR),
    "timeout": ("it ran out of time", "Ask for less at once, or ask again."),
    "crash": ("it ended with an error", "Ask again, or ask another agent."),
    "quota": ("its quota is used up", "Ask again later, or ask another agent."),
    "authentication": ("it is not signed in, or its key is wrong", ASK_OPERATOR),
    "refused": ("it refused to", "Ask in other words."),
    "too_long": (
        "the conversation is too long for it",
        "Ask in a new message, with less text or fewer files, or ask another agent.",
    ),
    "output_limit": (
        "it used up its output tokens before it wrote an answer, probably on thinking",
        "Ask for less at once, or ask another agent; who runs me can raise the limit.",
    ),
    "empty": ("it ended without an answer", "Ask again."),
}
"""By error type: what happened, and what to do next. Users never see the text of our exceptions."""


def broken_message(trace_id: str) -> str:
    """Tell a user that a fault of the bot itself ended their turn."""
    return (
        "Sorry, something went wrong on my side, so this is not answered. Ask again. "
        f"See what happened with `/trace show {short_id(trace_id)}`."
    )


def failure_message(agent: str, error_type: str, *, trace_id: str, words: str = "") -> str:
    """Tell a user that an agent failed, why, what to do next, and where to see more.

    *words* are the program's own, on one line and without anything that must not be told.
    """
    # As code rather than as a quotation, which Slack does not show in small print.
    code = escape(words.replace("`", "'"))
    quoted = f"It said `{code}`. " if words else ""
    why, next_step = FAILURES.get(error_type, ("something went wrong", "Ask again."))
    return (
        f"Sorry, {escape(agent)} could not answer: {why}. {quoted}{next_step} "
        f"*Show trace* says more, as does `/trace show {short_id(trace_id)}` in a channel."
    )


RESTARTED = ":warning: I was restarted and had to stop. Please ask again."
"""Below a reply whose process is gone, if it is not known to have ended."""

CANCELLED_BY = {
    SHUTDOWN: "I am being restarted and had to stop. Please ask again in a minute.",
    DELETION: "Stopped because the question was deleted.",
    SHELL: "Stopped from a shell.",
}


def stopped_message(by: str) -> str:
    """Tell who stopped an answer: a Slack user's id, or one of `CANCELLED_BY`."""
    user = re.fullmatch(r"[UW][A-Z0-9]+", by)
    if code := by.removeprefix("slack: ") if by.startswith("slack: ") else "":
        return f":octagonal_sign: Stopped because Slack did not take the reply ({escape(code)})."
    why = f"Stopped by <@{by}>." if user else CANCELLED_BY.get(by, f"Stopped by {escape(by)}.")
    return f":octagonal_sign: {why}"


def fallback_message(configured: str, provider: str) -> str:
    """Tell that not the agent's first provider answered."""
    if configured == provider:
        return f"The first {escape(configured)} was not available; another one answered."
    return f"{escape(configured)} was not available; {escape(provider)} answered."


def usage_message(bot_user: str, agents: Sequence[str]) -> str:
    """Tell how to ask, to somebody who mentioned the bot without a question."""
    others = (
        f" To ask a certain agent, or several, name them: {', '.join(f'`@{a}`' for a in agents)}."
        if len(agents) > 1
        else ""
    )
    return (
        f"Ask me something, for example <@{bot_user}> _what is in this file?_ In a thread that I "
        f"answered in you do not have to mention me.{others} `/trace help` shows what I record."
    )


UNPOSTED: Mapping[str, tuple[str, str]] = {
    "thread_not_found": ("your question was deleted", "Ask again if you still want to know."),
    **dict.fromkeys(
        ("is_archived", "is_inactive"),
        ("that channel is archived", "Ask in another channel, or in a direct message."),
    ),
    "not_in_channel": (
        "I am not in that channel any more",
        "Invite me with `/invite`, and ask again.",
    ),
    "channel_not_found": (
        "I am not in that channel any more",
        "Invite me with `/invite`, and ask again.",
    ),
    "messages_tab_disabled": (
        "my Messages tab is switched off",
        "Ask in a channel, or let the person who runs me switch it on under App Home.",
    ),
    "cannot_reply_to_message": (
        "that message cannot have replies",
        "Put your question in a message of its own.",
    ),
    "restricted_action_thread_locked": (
        "that thread is locked",
        "Put your question in a new message.",
    ),
    "restricted_action_non_threadable_channel": (
        "that channel has no threads, and I answer in threads",
        "Ask in another channel, or in a direct message.",
    ),
}
"""By Slack's error code: why a reply was not posted, and what to do next."""

MAY_NOT_POST = (
    "I may not post there",
    "Ask in another channel or in a direct message, or let an admin allow me to post there.",
)


NO_FORM = (
    "Slack does not take it, not even as plain text or as a file",
    "Please tell the person who runs me.",
)


def unposted_message(agents: Sequence[str], code: str, *, channel: str, trace_id: str) -> str:
    """Tell the asker privately why Slack shows no reply, and where the answer is."""
    why, next_step = UNPOSTED.get(code, MAY_NOT_POST if is_gone(code) else NO_FORM)
    names = escape(" and ".join(agents))
    # A direct message has no name.
    where = "here" if channel.startswith("D") else f"in <#{channel}>"
    return (
        f"I could not post the reply of {names} {where}: {why} (`{escape(code)}`). "
        f"{next_step} What was recorded is in `/trace show {short_id(trace_id)}`."
    )


ASK_FOR_ACCESS = "ask the person who runs me to allow it."

REFUSALS: Mapping[str, tuple[str, str]] = {
    "agent_gone": (
        "there is no agent {agents} any more",
        "Please ask another one in a message.",
    ),
    "asker_unknown": ("Slack did not tell me who you are", "Please try again in a minute."),
    "readers_unknown": (
        "Slack did not tell me who can read this channel",
        "Please try again in a minute.",
    ),
    "guest_may_not_ask": (
        "guests of this workspace may not ask {agents}",
        f"Let a full member ask for you, or {ASK_FOR_ACCESS}",
    ),
    "stranger_may_not_ask": (
        "people of other organisations may not ask {agents}",
        f"Let a member of the workspace that I belong to ask for you, or {ASK_FOR_ACCESS}",
    ),
    "person_not_allowed": (
        "only certain people may ask {agents}",
        f"Ask another agent, let one of them ask for you, or {ASK_FOR_ACCESS}",
    ),
    "channel_not_allowed": (
        "{agents} may not be asked here",
        f"Open my Home tab to see where it may be, or {ASK_FOR_ACCESS}",
    ),
    "shared_channel_not_allowed": (
        "guests or people of other organisations can read this channel, and {agents} may not be "
        "asked in such a channel",
        f"Ask in a channel of full members only, or {ASK_FOR_ACCESS}",
    ),
}
"""By reason of a decision not to ask an agent: why, and what its author can do next."""

PASSING_REFUSALS = frozenset(("asker_unknown", "readers_unknown"))
"""The reasons that are gone as soon as Slack is well again."""

ONCE_A_DAY = "I tell you this once a day in each channel."


def refusal_message(agents: Sequence[str], reason: str) -> str:
    """Tell a person which agents they may not ask, why, and what to do next."""
    names = escape(" and ".join(agents))
    why, next_step = REFUSALS[reason]
    return f"I did not pass your message on to {names}: {why.format(agents=names)}. {next_step}"


def too_many_message(left_out: Sequence[str], *, most: int) -> str:
    """Tell that a message named more agents than are asked at once."""
    return (
        f"I ask at most {most} agents at once, so I left out {escape(', '.join(left_out))}. "
        "Name them in another message."
    )
