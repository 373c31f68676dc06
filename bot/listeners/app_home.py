"""Listen for people who open the app's Home tab."""

from concurrent.futures import Executor
from typing import Any

from slack_bolt import App

from bot.concurrency.event_dedup import EventDedup, event_key
from bot.trace_ui.app_home import AppHome

Body = dict[str, Any]


def register(app: App, home: AppHome, executor: Executor, dedup: EventDedup) -> None:
    """Publish the tab on *executor* when somebody opens it."""

    def opened(body: Body) -> None:
        executor.submit(dedup.once, event_key(body), home.opened, body)

    app.event("app_home_opened")(opened)
