"""Reactions and thumbs: they tell what people think of an answer."""

from concurrent.futures import Executor
from typing import Any

from slack_bolt import Ack, App, BoltRequest

from bot.concurrency.event_dedup import EventDedup, interaction_key
from bot.replies.buttons import FEEDBACK
from bot.replies.reason_modal import REASON
from bot.turns.feedback import Feedback

Body = dict[str, Any]


def register(
    app: App, feedback: Feedback, dedup: EventDedup, *, reactions: Executor, presses: Executor
) -> None:
    """Record reactions and thumbs, and the reasons of thumbs, each on its executor."""

    def added(body: Body) -> None:
        reactions.submit(feedback.reacted, body, added=True)

    def removed(body: Body) -> None:
        reactions.submit(feedback.reacted, body, added=False)

    app.event("reaction_added")(added)
    app.event("reaction_removed")(removed)

    def pressed(ack: Ack, body: Body, req: BoltRequest) -> None:
        ack()
        presses.submit(follow, body, interaction_key(body, req))

    def follow(body: Body, key: str) -> None:
        # First, because it cannot wait for the database. Slack takes a trigger only once.
        feedback.ask_reason(body)
        dedup.once(key, feedback.thumb_pressed, body)

    def explained(ack: Ack, body: Body, req: BoltRequest) -> None:
        ack()
        presses.submit(dedup.once, interaction_key(body, req), feedback.explained, body)

    app.action(FEEDBACK)(pressed)
    app.view(REASON)(explained)
