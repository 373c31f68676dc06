"""The button *Try again* and the menu of other agents, below the reply of a turn that failed."""

import logging
from concurrent.futures import Executor
from typing import Any

from slack_bolt import Ack, App, BoltRequest, Respond

from bot.concurrency.event_dedup import EventDedup
from bot.listeners.request_keys import interaction_key
from bot.replies.buttons import TRY_AGAIN, TRY_ANOTHER
from bot.slack.errors import SLACK_ERRORS
from bot.turns.ask_again import AskAgain

logger = logging.getLogger("tracebot.ask_again")

Body = dict[str, Any]


def register(app: App, ask_again: AskAgain, executor: Executor, dedup: EventDedup) -> None:
    """Acknowledge a click at once, and handle it once on *executor*."""

    def pressed(ack: Ack, body: Body, req: BoltRequest, respond: Respond) -> None:
        ack()

        def tell(text: str) -> None:
            thread_ts = body["container"].get("thread_ts")
            try:
                respond(
                    text=text,
                    response_type="ephemeral",
                    replace_original=False,
                    thread_ts=thread_ts,
                )
            except SLACK_ERRORS as error:
                who = body["user"]["id"]
                logger.warning("A click of %s on Try again was not answered: %s", who, error)

        key = interaction_key(body, req)
        executor.submit(dedup.once, key, ask_again.pressed, body, tell)

    app.action(TRY_AGAIN)(pressed)
    app.action(TRY_ANOTHER)(pressed)
