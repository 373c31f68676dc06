"""Reactions and thumbs: they tell what people think of an answer."""

from concurrent.futures import Executor
from typing import Any

from slack_bolt import Ack, App, BoltRequest

from bot.concurrency.event_dedup import EventDedup
from bot.listeners.request_keys import interaction_key
from bot.replies.buttons import FEEDBACK
from bot.turns.feedback import Feedback

Body = dict[str, Any]


def register(app: App, feedback: Feedback, executor: Executor, dedup: EventDedup) -> None:
    """Record reactions and thumbs on *executor*."""

    def added(body: Body) -> None:
        executor.submit(feedback.reacted, body, added=True)

    def removed(body: Body) -> None:
        executor.submit(feedback.reacted, body, added=False)

    app.event("reaction_added")(added)
    app.event("reaction_removed")(removed)

    def pressed(ack: Ack, body: Body, req: BoltRequest) -> None:
        ack()
        executor.submit(dedup.once, interaction_key(body, req), feedback.thumb_pressed, body)

    app.action(FEEDBACK)(pressed)
