"""Slack's own Stop button, shown under a thread whose session is `processing`."""

from concurrent.futures import Executor
from functools import partial
from typing import Any

from slack_bolt import App

from bot.concurrency.event_dedup import EventDedup, event_key
from bot.turns.cancel import TurnCanceller

Body = dict[str, Any]


def register(
    app: App, canceller: TurnCanceller, executor: Executor, dedup: EventDedup, *, team: str
) -> None:
    """Cancel the thread's turn on *executor*."""

    def stopped(body: Body) -> None:
        event = body["event"]
        stop = partial(
            canceller.in_thread,
            event["channel"],
            event["thread_ts"],
            team=team,
            user=event.get("user") or "",
        )
        executor.submit(dedup.once, event_key(body), stop)

    app.event("agent_session_stopped")(stopped)
