"""The buttons that ask a question again, whose turn failed or which a budget held back."""

import logging
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from slack_bolt import Ack, App, BoltRequest, Respond

from bot.concurrency.event_dedup import EventDedup, interaction_key
from bot.replies.buttons import ASK_ANYWAY, RAISE_BUDGET, TRY_AGAIN, TRY_ANOTHER
from bot.slack.errors import SLACK_ERRORS
from bot.trace_ui.budgets import Budgets
from bot.trace_ui.requester import Requester
from bot.turns.ask_again import AskAgain, Tell

logger = logging.getLogger("tracebot.ask_again")

Body = dict[str, Any]


def register(
    app: App,
    ask_again: AskAgain,
    budgets: Budgets,
    executor: Executor,
    dedup: EventDedup,
    *,
    team: str,
) -> None:
    """Acknowledge a click at once, and handle it once on *executor*.

    `team` is the workspace where the bot is installed.
    """

    def raised(body: Body, tell: Tell) -> None:
        action = body["actions"][0]
        requester = Requester(team, body["user"]["id"], body["container"].get("channel_id", ""))
        problem, attempt = budgets.raise_by_button(str(action.get("value") or ""), requester)
        if problem:
            tell(problem)
        else:
            ask_again.pressed({**body, "actions": [{**action, "value": attempt}]}, tell)

    def listener(handle: Callable[[Body, Tell], None]) -> Callable[..., None]:
        def pressed(ack: Ack, body: Body, req: BoltRequest, respond: Respond) -> None:
            ack()
            key = interaction_key(body, req)
            executor.submit(dedup.once, key, handle, body, _teller(body, respond))

        return pressed

    for action_id in (TRY_AGAIN, TRY_ANOTHER, ASK_ANYWAY):
        app.action(action_id)(listener(ask_again.pressed))
    app.action(RAISE_BUDGET)(listener(raised))


def _teller(body: Body, respond: Respond) -> Tell:
    def tell(text: str) -> None:
        if not body.get("response_url"):
            # Pressed in a modal, which has no such button of ours. Bolt would raise ValueError.
            logger.warning("A click outside of a message was not answered: %s", text)
            return
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
            logger.warning("A click of %s on a button was not answered: %s", who, error)

    return tell
