"""A message that shows the draft of an answer: streamed by Slack, or edited again and again."""

import time
from dataclasses import dataclass
from typing import Protocol

from slack_sdk import WebClient

from bot.replies.messages import RUNNING_LIMIT, Message, running_blocks, running_message, silence
from bot.slack.types import Place

STREAM_S = 240.0
"""Slack ends a stream about five minutes after its start, however busy it is."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What there is of an answer, and the tools its agent took up, the newest last."""

    text: str = ""
    tools: tuple[str, ...] = ()
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class Heading:
    """Whose reply it is, and in which trace, for its button."""

    agent: str
    trace_id: str


class Shown(Protocol):
    """A message that shows a draft. Each method may raise one of `SLACK_ERRORS`."""

    ts: str

    def can_show(self, draft: Draft) -> bool: ...

    def show(self, draft: Draft) -> None: ...

    def close(self) -> None: ...


class Streamed:
    """Slack's own stream: text is only ever added to it, and not for long."""

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
        return in_time and len(draft.text) <= RUNNING_LIMIT and draft.restarts == self._restarts

    def show(self, draft: Draft) -> None:
        # A `<` at the end may begin a mention that would no longer be recognised as one.
        text = silence(draft.text.rstrip("<"))
        chunks = self._tool_chunks(draft.tools)
        if new := text[len(self._sent) :]:
            chunks.append({"type": "markdown_text", "text": new})
        if chunks:
            self._client.chat_appendStream(channel=self._place.channel, ts=self.ts, chunks=chunks)
        self._sent, self._tools = text, len(draft.tools)

    def _tool_chunks(self, tools: tuple[str, ...]) -> list[Message]:
        """The tool before is done when the next one begins."""
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


class Edited:
    """An ordinary message that is replaced again and again."""

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

    def _message(self, draft: Draft) -> Message:
        return running_message(
            self._heading.agent,
            draft.text,
            tool=draft.tools[-1] if draft.tools else None,
            trace_id=self._heading.trace_id,
        )

    def close(self) -> None:
        """Nothing is left open."""
