"""A message that shows the draft of a reply: streamed by Slack, or edited again and again."""

import time
from dataclasses import dataclass, replace
from typing import Protocol

from slack_sdk import WebClient

from bot.agents.types import ToolUse
from bot.replies.draft import Draft
from bot.replies.messages import Message, at_work, running_id, running_message
from bot.replies.timeline import cards, ended, size, summary, task_chunks
from bot.slack.types import Place

STREAM_S = 240.0
"""We end a stream after this: Slack ends it about five minutes after its start, busy or not."""

PROCESSING = "processing"
"""The state of a session when a stream ends. Slack would end the session with its first stream,
and take its Stop button from agents that go on; the thread's last reply ends it."""

STREAM_LIMIT = 9_000
"""Bytes of a stream's text and cards. Slack tells no limit; others were refused from 10,600 on."""


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
    """Slack's own stream: text can only be added to it, and only for some minutes.

    Its plan says that the agent is at work, and lists the tools. Slack shows its own Stop button,
    so that nothing has to be taken back when the stream ends with the answer.
    """

    def __init__(self, client: WebClient, place: Place, heading: Heading) -> None:
        self._client = client
        self._place = place
        self._sent = ""
        self._restarts = 0
        self._ends_at = time.monotonic() + STREAM_S
        self._thinking = ToolUse(
            id=running_id(heading.trace_id, heading.agent), title="Read the question"
        )
        answer = client.chat_startStream(
            channel=place.channel,
            thread_ts=place.thread_ts,
            recipient_user_id=place.user,
            recipient_team_id=place.team,
            task_display_mode="plan",
            chunks=[_plan_title(at_work(heading.agent)), *task_chunks({}, [self._thinking])],
        )
        self._cards = {self._thinking.id: self._thinking}
        self.ts = str(answer["ts"])

    def can_show(self, draft: Draft) -> bool:
        in_time = time.monotonic() < self._ends_at
        # The first characters of a secret may have been sent, in whose place there is a note now.
        longer = draft.text.startswith(self._sent)
        return in_time and longer and self._fits(draft) and draft.restarts == self._restarts

    def _fits(self, draft: Draft) -> bool:
        return len(draft.text.encode()) + size(self._shown(draft)) <= STREAM_LIMIT

    def _shown(self, draft: Draft) -> list[ToolUse]:
        begun = bool(draft.text or draft.tools)
        first = replace(self._thinking, status="complete") if begun else self._thinking
        return [first, *cards(draft.tools)]

    def show(self, draft: Draft) -> None:
        shown = self._shown(draft)
        chunks = [*task_chunks(self._cards, shown), *self._text_chunks(draft.text)]
        if chunks:
            self._client.chat_appendStream(channel=self._place.channel, ts=self.ts, chunks=chunks)
        # Only after the call: what Slack refused is sent again with the next draft.
        self._sent, self._cards = draft.text, {card.id: card for card in shown}

    def _text_chunks(self, text: str) -> list[Message]:
        new = text[len(self._sent) :]
        return [{"type": "markdown_text", "text": new}] if new else []

    def ending(self, answer: Message, draft: Draft) -> Message | None:
        """Return the arguments of `chat.stopStream` that leave an answer in the stream's place.

        *draft* is that of the end. None means that the stream cannot become that message.
        """
        said = "".join(each["text"] for each in answer["blocks"] if each["type"] == "markdown")
        below = [each for each in answer["blocks"] if each["type"] not in ("markdown", "plan")]
        whole = replace(draft, text=said, tools=tuple(ended(draft.tools)))
        # An answer has no blank end, its pieces may have had one.
        unchanged = self._sent.rstrip() == said and draft.restarts == self._restarts
        if not (self.can_show(whole) or (unchanged and self._fits(whole))):
            return None
        tasks = task_chunks(self._cards, self._shown(whole))
        return {
            "chunks": [*tasks, *self._text_chunks(said), _plan_title(summary(draft.tools))],
            "blocks": below,
            "metadata": answer["metadata"],
            "session_status": PROCESSING,
        }

    def close(self) -> None:
        self._client.chat_stopStream(
            channel=self._place.channel, ts=self.ts, session_status=PROCESSING
        )


def _plan_title(title: str) -> Message:
    return {"type": "plan_update", "title": title}


class EditedMessage:
    """An ordinary message that is replaced by each new draft; with *ts*, that of a stream."""

    def __init__(
        self, client: WebClient, place: Place, heading: Heading, *, ts: str | None = None
    ) -> None:
        self._client = client
        self._place = place
        self._heading = heading
        # A stream that has ended says neither that the agent is at work, nor has it a Stop button.
        self._shown = None if ts else Draft()
        self.ts = ts or self._post(Draft())

    def _post(self, draft: Draft) -> str:
        answer = self._client.chat_postMessage(
            channel=self._place.channel,
            thread_ts=self._place.thread_ts,
            unfurl_links=False,
            unfurl_media=False,
            **self._message(draft),
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
            tool=draft.tools[-1].title if draft.tools else None,
            trace_id=self._heading.trace_id,
        )
