"""`/trace`, its buttons, and the message shortcut."""

import re
from concurrent.futures import Executor
from typing import Any

from slack_bolt import Ack, App, Respond

from bot.trace_ui.slash_command import Requester, SlashCommand
from reports.render.block_kit import NEXT, SHARE, SHOW, STOP

Body = dict[str, Any]


def register(app: App, slash_command: SlashCommand, executor: Executor) -> None:
    """Acknowledge each request at once, and answer it on *executor*."""

    def command(ack: Ack, body: Body, respond: Respond) -> None:
        ack()
        executor.submit(slash_command.ask, body.get("text") or "", _requester(body), respond)

    def show(ack: Ack, body: Body, respond: Respond) -> None:
        ack()
        executor.submit(slash_command.ask, f"show {_value(body)}", _requester(body), respond)

    def next_page(ack: Ack, body: Body, respond: Respond) -> None:
        ack()
        executor.submit(slash_command.next_page, _value(body), _requester(body), respond)

    def share(ack: Ack, body: Body, respond: Respond) -> None:
        ack()
        executor.submit(slash_command.share, _value(body), _requester(body), respond)

    def stop(ack: Ack, body: Body, respond: Respond) -> None:
        ack()
        executor.submit(slash_command.stop, _value(body), _requester(body), respond)

    def stop_listed(ack: Ack, body: Body, respond: Respond) -> None:
        ack()
        executor.submit(slash_command.ask, f"cancel {_value(body)}", _requester(body), respond)

    def shortcut(ack: Ack, body: Body, respond: Respond) -> None:
        ack()
        executor.submit(slash_command.show_message, body["message"], _requester(body), respond)

    app.command("/trace")(command)
    app.action(_starting_with(SHOW))(show)
    app.action(STOP)(stop)
    app.action(_starting_with(f"{STOP}_"))(stop_listed)
    app.action(NEXT)(next_page)
    app.action(SHARE)(share)
    app.shortcut("show_trace")(shortcut)


def _starting_with(action_id: str) -> re.Pattern[str]:
    return re.compile(f"^{re.escape(action_id)}")


def _requester(body: Body) -> Requester:
    """Commands say it in words of their own, actions in objects."""
    team = body.get("team_id") or (body.get("team") or {}).get("id") or ""
    user = body.get("user_id") or (body.get("user") or {}).get("id") or ""
    channel = body.get("channel_id") or (body.get("channel") or {}).get("id") or ""
    return Requester(team=team, user=user, channel=channel)


def _value(body: Body) -> str:
    return str(body["actions"][0].get("value") or "")
