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
    app: App, feedback: Feedback, dedup: EventDedup, *, ratings: Executor, modals: Executor
) -> None:
    """Record reactions and thumbs, and ask why a thumb is down, each on its executor.

    Ratings wait for a database that is locked; a modal must open within three seconds.
    """

    def added(body: Body) -> None:
        ratings.submit(feedback.reacted, body, added=True)

    def removed(body: Body) -> None:
        ratings.submit(feedback.reacted, body, added=False)

    app.event("reaction_added")(added)
    app.event("reaction_removed")(removed)

    def pressed(ack: Ack, body: Body, req: BoltRequest) -> None:
        ack()
        # Of a repeated press, Slack takes the trigger only once.
        modals.submit(feedback.ask_reason, body)
        ratings.submit(dedup.once, interaction_key(body, req), feedback.thumb_pressed, body)

    def explained(ack: Ack, body: Body, req: BoltRequest) -> None:
        ack()
        ratings.submit(dedup.once, interaction_key(body, req), feedback.explained, body)

    app.action(FEEDBACK)(pressed)
    app.view(REASON)(explained)
