"""Events that are not for the workspace where the bot is installed."""

import logging
from collections.abc import Callable
from typing import Any

from slack_bolt import App, BoltResponse

from bot.slack.types import is_for

logger = logging.getLogger("tracebot.listeners")


def ignore(app: App, *, team: str) -> None:
    """Accept such events and do nothing: their channels are nothing that people of *team* see.

    Slack sends them if other workspaces have installed the app, too.
    """

    @app.middleware
    def check(body: dict[str, Any], next: Callable[[], Any]) -> BoltResponse | None:
        if is_for(team, body):
            next()
            return None
        logger.debug("An event is not for %s", team)
        return BoltResponse(status=200)
