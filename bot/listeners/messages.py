"""Messages and mentions, and what happens to a message later."""

from collections.abc import Mapping
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any

from slack_bolt import App

from bot.concurrency.event_dedup import EventDedup, event_key
from bot.turns.inbox import Inbox
from bot.turns.message_changes import MessageChanges, is_bookkeeping


def register(
    app: App, inbox: Inbox, changes: MessageChanges, executor: Executor, dedup: EventDedup
) -> None:
    """Accept messages at once; follow edits and deletions on *executor*.

    Those that the executor drops when it is shut down are left to the next process.
    """

    def changed(body: Mapping[str, Any]) -> None:
        if is_bookkeeping(body["event"]):
            return
        changes.notice(body)  # The next question may be here before the executor is.
        followed = executor.submit(dedup.once, event_key(body), follow, body)
        followed.add_done_callback(partial(leave, body))

    def leave(body: Mapping[str, Any], followed: Future[None]) -> None:
        if followed.cancelled():
            changes.leave(body)

    def follow(body: Mapping[str, Any]) -> None:
        changes.follow(body)
        inbox.accept_edit(body)

    # Bolt calls the first listener that matches, so edits and deletions never reach the inbox.
    app.event({"type": "message", "subtype": ["message_changed", "message_deleted"]})(changed)
    app.event("message")(inbox.accept)
    app.event("app_mention")(inbox.accept)
