"""Messages, mentions, and what becomes of a message later."""

from collections.abc import Callable
from typing import Any

from slack_bolt import App

from bot.turns.inbox import Inbox

Body = dict[str, Any]


def register(app: App, inbox: Inbox, changed: Callable[[Body], object]) -> None:
    """`changed` takes the events of messages that were edited or deleted."""

    def accept(body: Body) -> None:
        inbox.accept(body)

    def accept_message(body: Body) -> None:
        if body["event"].get("subtype") in ("message_changed", "message_deleted"):
            changed(body)
            return
        inbox.accept(body)

    app.event("app_mention")(accept)
    app.event("message")(accept_message)
