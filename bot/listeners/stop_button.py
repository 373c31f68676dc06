"""Slack's own Stop button, shown under a thread whose session is `processing`."""

from concurrent.futures import Executor
from typing import Any

from slack_bolt import App

from bot.turns.cancel import TurnCanceller

Body = dict[str, Any]


def register(app: App, canceller: TurnCanceller, executor: Executor) -> None:
    """Cancel the thread's turn on *executor*."""

    def stopped(body: Body) -> None:
        event = body["event"]
        executor.submit(
            canceller.in_thread,
            event["channel"],
            event["thread_ts"],
            team=body.get("team_id") or "",
            user=event.get("user") or "",
        )

    app.event("agent_session_stopped")(stopped)
