"""Tell from the messages of a thread what there is of a reply already."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from bot.replies.messages import Message
from bot.slack.reactions import DONE, FAILED, STOPPED
from bot.slack.threads import reply_payload
from storage.coordination.unfinished_replies import UnfinishedReply

SECOND_NS = 1_000_000_000

INTERRUPTED = "Interrupted"
"""The title of the plan of a reply whose process is gone."""


STOPPED_AGENT = "stopped"
"""Says, in the metadata of a reply, that its agent was stopped."""


def outcome(reply: UnfinishedReply, thread: Sequence[Mapping[str, Any]]) -> str:
    """Return the reaction that tells how the turn ended."""
    payloads = [_payload(message) for message in (*thread, *(reply.ending or ()))]
    ours = [each for each in payloads if each.get("trace_id") == reply.trace_id]
    if any(STOPPED_AGENT in each for each in ours):
        return STOPPED
    if any("provider" in each for each in ours):  # Only an answer names its provider.
        return DONE
    return FAILED if ours else STOPPED


def _payload(message: Mapping[str, Any]) -> Mapping[str, Any]:
    payload: Mapping[str, Any] = (message.get("metadata") or {}).get("event_payload") or {}
    return payload


def final_parts(
    thread: Sequence[Mapping[str, Any]], reply: UnfinishedReply, *, bot_id: str
) -> tuple[dict[str, str], list[str]]:
    """Return the `ts` of each posted part of the final reply, and those of unwanted messages.

    The oldest of each part is kept: a double appears when Slack carries out a call late. Parts of
    the same answer that was split at other places are unwanted, too.
    """
    parts: dict[str, str] = {}
    unwanted = []
    splits = {_payload(message).get("split") for message in reply.ending or ()}
    for message in sorted(thread, key=lambda each: str(each["ts"])):
        payload = reply_payload(message, bot_id=bot_id)
        if "part" not in payload or not is_of(message, reply, bot_id=bot_id):
            continue
        ts = str(message["ts"])
        elsewhere = splits and payload.get("split") not in splits
        if elsewhere or parts.setdefault(str(payload["part"]), ts) != ts:
            unwanted.append(ts)
    return parts, unwanted


def is_of(message: Mapping[str, Any], reply: UnfinishedReply, *, bot_id: str) -> bool:
    """Return True for a message of the final reply."""
    payload = reply_payload(message, bot_id=bot_id)
    return (payload.get("trace_id"), payload.get("agent")) == (reply.trace_id, reply.agent)


def messages_since(reply: UnfinishedReply, read: Callable[..., Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the messages since the agent was asked, which *read* returns page by page."""
    cursor = None
    while True:
        page = read(
            channel=reply.channel,
            # A minute earlier: the clocks of Slack and this machine may differ.
            oldest=f"{reply.begun_at / SECOND_NS - 60:.6f}",
            include_all_metadata=True,
            limit=200,
            cursor=cursor,
        )
        yield from page["messages"]
        cursor = (page.get("response_metadata") or {}).get("next_cursor")
        if not cursor:
            return


def is_running(block: Mapping[str, Any], id: str) -> bool:
    """Return True for the block of a Stop button, or for the plan of a stream."""
    tasks = block.get("tasks") or ()
    return block.get("block_id") == id or any(task.get("task_id") == id for task in tasks)


def interrupted(block: Mapping[str, Any], id: str) -> Message:
    """Return the plan of a stream with the tools that were used: without the one named *id*."""
    tasks = [
        {**task, "status": "error" if task.get("status") == "in_progress" else task.get("status")}
        for task in block.get("tasks") or ()
        if task.get("task_id") != id
    ]
    return {**block, "title": INTERRUPTED, "tasks": tasks}
