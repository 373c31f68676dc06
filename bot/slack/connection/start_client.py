"""The client of the start, which `init`, `doctor` and `serve` use before there is a bot.

This module imports neither Bolt nor what messages are made of: somebody waits for the answer.
"""

import logging

from slack_sdk import WebClient

from bot.settings import Settings
from bot.slack.connection.checked_client import CheckedClient

_silent = logging.getLogger("tracebot.slack.start")
_silent.setLevel(logging.CRITICAL)


def client_for_start(settings: Settings) -> WebClient:
    """Return a client for the checks at the start and for connecting, of which `serve` tells.

    It posts nothing, makes each call once, and does not log each one that fails.
    """
    client = CheckedClient(
        settings.slack_bot_token.get_secret_value(),
        base_url=settings.slack_api_url,
        timeout=10,
        logger=_silent,
    )
    client.retry_handlers = []
    return client
