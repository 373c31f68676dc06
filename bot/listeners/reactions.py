"""Reactions: a thumb on an answer tells what its user thinks of it."""

from concurrent.futures import Executor
from typing import Any

from slack_bolt import App

from bot.turns.feedback import Feedback

Body = dict[str, Any]


def register(app: App, feedback: Feedback, executor: Executor) -> None:
    """Record reactions on *executor*."""

    def added(body: Body) -> None:
        executor.submit(feedback.reacted, body, added=True)

    def removed(body: Body) -> None:
        executor.submit(feedback.reacted, body, added=False)

    app.event("reaction_added")(added)
    app.event("reaction_removed")(removed)
