"""A message that shows the draft of a reply: streamed by Slack, or edited again and again."""

import time
from dataclasses import dataclass
from typing import Protocol

from slack_sdk import WebClient

from bot.replies.messages import (
    RUNNING_LIMIT,
    Message,
    json_length,
    running_blocks,
    running_message,
)
from bot.slack.types import Place

STREAM_S = 240.0
"""We end a stream after this: Slack ends it about five minutes after its start, busy or not."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The text of an agent so far, and the tools that it used, the newest last.

    `restarts` counts the providers that gave up: what they said is not part of the draft.
    """

    text: str = ""
    tools: tuple[str, ...] = ()
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class Heading:
    """The agent of a reply, and the trace that its Stop button cancels."""

    agent: str
    trace_id: str


class LiveMessage(Protocol):
    """A message in Slack that shows a draft. Each method may raise one of `SLACK_ERRORS`."""

    ts: str

    def can_show(self, draft: Draft) -> bool:
        """Return False if *draft* must be shown by an edited message instead."""

    def show(self, draft: Draft) -> None:
        """Show *draft*."""

    def close(self) -> None:
        """End the updates, so that the message can be replaced."""


class StreamedMessage:
    """Slack's own stream: text can only be added to it, and only for some minutes."""

    def __init__(self, client: WebClient, place: Place, heading: Heading) -> None:
        self._client = client
        self._place = place
        self._sent = ""
        self._tools = 0
        self._restarts = 0
        self._ends_at = time.monotonic() + STREAM_S
        answer = client.chat_startStream(
            channel=place.channel,
            thread_ts=place.thread_ts,
            recipient_user_id=place.user,
            recipient_team_id=place.team,
            chunks=[{"type": "blocks", "blocks": running_blocks(heading.agent, heading.trace_id)}],
        )
        self.ts = str(answer["ts"])

    def can_show(self, draft: Draft) -> bool:
        in_time = time.monotonic() < self._ends_at
        # The first characters of a secret may have been sent, in whose place there is a note now.
        longer = draft.text.startswith(self._sent)
        fits = json_length(draft.text) <= RUNNING_LIMIT
        return in_time and fits and longer and draft.restarts == self._restarts

    def show(self, draft: Draft) -> None:
        text = draft.text
        chunks = self._tool_chunks(draft.tools)
        if new := text[len(self._sent) :]:
            chunks.append({"type": "markdown_text", "text": new})
        if chunks:
            self._client.chat_appendStream(channel=self._place.channel, ts=self.ts, chunks=chunks)
        # Only after the call: what Slack refused is sent again with the next draft.
        self._sent, self._tools = text, len(draft.tools)

    def _tool_chunks(self, tools: tuple[str, ...]) -> list[Message]:
        """Return a chunk for each new tool; the tool before it is complete by then."""
        changed = range(max(self._tools - 1, 0), len(tools)) if len(tools) > self._tools else ()
        return [
            {
                "type": "task_update",
                "id": f"tool-{number}",
                "title": tools[number][:150],
                "status": "in_progress" if number == len(tools) - 1 else "complete",
            }
            for number in changed
        ]

    def close(self) -> None:
        self._client.chat_stopStream(channel=self._place.channel, ts=self.ts)


class EditedMessage:
    """An ordinary message that is replaced by each new draft; with *ts*, one of ours."""

    def __init__(
        self, client: WebClient, place: Place, heading: Heading, *, ts: str | None = None
    ) -> None:
        self._client = client
        self._place = place
        self._heading = heading
        self._shown = Draft()
        self.ts = ts or self._post()

    def _post(self) -> str:
        answer = self._client.chat_postMessage(
            channel=self._place.channel,
            thread_ts=self._place.thread_ts,
            unfurl_links=False,
            unfurl_media=False,
            **self._message(self._shown),
        )
        return str(answer["ts"])

    def can_show(self, draft: Draft) -> bool:
        return True

    def show(self, draft: Draft) -> None:
        if draft != self._shown:
            self._client.chat_update(
                channel=self._place.channel, ts=self.ts, **self._message(draft)
            )
            self._shown = draft

    def close(self) -> None:
        """Do nothing: an edited message stays open for the next edit."""

    def _message(self, draft: Draft) -> Message:
        return running_message(
            self._heading.agent,
            draft.text,
            tool=draft.tools[-1] if draft.tools else None,
            trace_id=self._heading.trace_id,
        )
