"""`/trace`, its buttons, and the message shortcut."""

import re
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from slack_bolt import Ack, App, BoltRequest

from bot.concurrency.event_dedup import EventDedup
from bot.listeners.request_keys import interaction_key
from bot.trace_ui.alert_form import ALERT_FORM
from bot.trace_ui.alert_form import submitted as submitted_alert
from bot.trace_ui.digest_form import DIGEST_FORM, submitted
from bot.trace_ui.modal import Modals, Respond, is_home, place_in
from bot.trace_ui.requester import Requester
from bot.trace_ui.slash_command import SlashCommand
from reports.render.block_kit import (
    AGAIN,
    ALERT_ACKNOWLEDGE,
    ALERT_ADD,
    ALERT_SNOOZE,
    DIGEST_CHANGE,
    DIGEST_OFF,
    FORGET,
    ISSUE,
    OPEN,
    RAW,
    RUN,
    SHARE,
    SHOW,
    STOP,
)

Body = dict[str, Any]
Answer = Callable[[SlashCommand, Body, Requester, Respond], None]


def register(
    app: App,
    slash_command: SlashCommand,
    modals: Modals,
    executor: Executor,
    dedup: EventDedup,
    *,
    team: str,
    publish_home: Callable[[str], None],
) -> None:
    """Acknowledge each request at once, and answer it once on *executor*.

    A trace is shown in a modal. Other answers stand where the button was, which may be a modal.
    After a press on the Home tab, and after a form, *publish_home* shows its user on the tab what
    has changed.
    `team` is the workspace where the bot is installed: a request from a channel of Slack Connect
    may name the requester's own.
    """

    def listener(answer: Answer, *, in_modal: bool = False) -> Callable[..., None]:
        def answered(body: Body, requester: Requester, respond: Respond) -> None:
            shown = modals.opened if in_modal else modals.around
            answer(slash_command, body, requester, shown(body, requester, respond))
            if is_home(body):
                publish_home(requester.user)

        def listen(ack: Ack, body: Body, req: BoltRequest, respond: Respond) -> None:
            ack()
            key = interaction_key(body, req)
            requester = _requester(body, team)
            executor.submit(dedup.once, key, answered, body, requester, respond)

        return listen

    app.command("/trace")(listener(_command))
    app.action(_starting_with(SHOW))(listener(_show, in_modal=True))
    app.action(STOP)(listener(_stop))
    app.action(_starting_with(f"{STOP}_"))(listener(_stop_listed))
    app.action(_starting_with(RUN))(listener(_run))
    app.action(_starting_with(ISSUE))(listener(_change_issue))
    app.action(SHARE)(listener(_share))
    app.action(RAW)(listener(_raw, in_modal=True))
    app.action(AGAIN)(listener(_again))
    app.action(OPEN)(_acknowledge)
    app.action(FORGET)(listener(_forget))
    app.action(ALERT_ACKNOWLEDGE)(listener(_acknowledge_alert))
    app.action(ALERT_ADD)(listener(_alert_form, in_modal=True))
    app.action(_starting_with(ALERT_SNOOZE))(listener(_snooze_alert))
    app.action(_starting_with(DIGEST_CHANGE))(listener(_digest_form, in_modal=True))
    app.action(_starting_with(DIGEST_OFF))(listener(_digest_off))
    app.shortcut("show_trace")(listener(_shortcut, in_modal=True))
    _register_forms(app, slash_command, executor, dedup, team=team, publish_home=publish_home)


def _register_forms(
    app: App,
    slash_command: SlashCommand,
    executor: Executor,
    dedup: EventDedup,
    *,
    team: str,
    publish_home: Callable[[str], None],
) -> None:
    def form(
        read: Callable[[Body], tuple[Any, dict[str, str]]],
        answer: Callable[[Any, Requester], None],
    ) -> Callable[..., None]:
        """Return a listener that answers what *read* returns of a form, or shows its errors."""

        def answered(inputs: Any, requester: Requester) -> None:
            answer(inputs, requester)
            publish_home(requester.user)

        def listen(ack: Ack, body: Body, req: BoltRequest) -> None:
            inputs, errors = read(body["view"])
            if errors:
                ack(response_action="errors", errors=errors)
                return
            ack()
            key, requester = interaction_key(body, req), _requester(body, team)
            executor.submit(dedup.once, key, answered, inputs, requester)

        return listen

    app.view(DIGEST_FORM)(form(submitted, slash_command.digest_submitted))
    app.view(ALERT_FORM)(form(submitted_alert, slash_command.alert_submitted))


def _command(
    slash_command: SlashCommand, body: Body, requester: Requester, respond: Respond
) -> None:
    slash_command.ask(body.get("text") or "", requester, respond)


def _show(slash_command: SlashCommand, body: Body, requester: Requester, respond: Respond) -> None:
    slash_command.ask(f"show {_value(body)}", requester, respond)


def _run(slash_command: SlashCommand, body: Body, requester: Requester, respond: Respond) -> None:
    container = body.get("container") or {}
    in_place = container.get("type") == "view" or bool(container.get("is_ephemeral"))
    slash_command.run(_value(body), requester, respond, in_place=in_place)


def _change_issue(
    slash_command: SlashCommand, body: Body, requester: Requester, respond: Respond
) -> None:
    slash_command.change_issue(_value(body), requester, respond)


def _share(slash_command: SlashCommand, body: Body, requester: Requester, respond: Respond) -> None:
    slash_command.share(_value(body), requester, respond)


def _raw(slash_command: SlashCommand, body: Body, requester: Requester, respond: Respond) -> None:
    slash_command.raw(_value(body), requester, respond)


def _again(slash_command: SlashCommand, body: Body, requester: Requester, respond: Respond) -> None:
    slash_command.again(_value(body), requester, respond)


def _acknowledge(ack: Ack) -> None:
    """Do nothing else: Slack itself opens the URL of a button, and tells of the press."""
    ack()


def _stop(slash_command: SlashCommand, body: Body, requester: Requester, respond: Respond) -> None:
    slash_command.stop(_value(body), requester, respond)


def _stop_listed(
    slash_command: SlashCommand, body: Body, requester: Requester, respond: Respond
) -> None:
    slash_command.ask(f"cancel {_value(body)}", requester, respond)


def _forget(
    slash_command: SlashCommand, body: Body, requester: Requester, respond: Respond
) -> None:
    slash_command.forget(_value(body), requester, respond)


def _acknowledge_alert(
    slash_command: SlashCommand, body: Body, requester: Requester, respond: Respond
) -> None:
    slash_command.acknowledge_alert(_value(body), requester, respond)


def _alert_form(
    slash_command: SlashCommand, body: Body, requester: Requester, respond: Respond
) -> None:
    slash_command.alert_form(requester, respond)


def _snooze_alert(
    slash_command: SlashCommand, body: Body, requester: Requester, respond: Respond
) -> None:
    slash_command.snooze_alert(_value(body), requester, respond, only_refusals=not is_home(body))


def _digest_form(
    slash_command: SlashCommand, body: Body, requester: Requester, respond: Respond
) -> None:
    slash_command.digest_form(_value(body), requester, respond)


def _digest_off(
    slash_command: SlashCommand, body: Body, requester: Requester, respond: Respond
) -> None:
    slash_command.digest_off(_value(body), requester, respond)


def _shortcut(
    slash_command: SlashCommand, body: Body, requester: Requester, respond: Respond
) -> None:
    slash_command.show_message(body["message"], requester, respond)


def _starting_with(action_id: str) -> re.Pattern[str]:
    return re.compile(f"^{re.escape(action_id)}")


def _requester(body: Body, team: str) -> Requester:
    """Commands say it in words of their own, actions in objects."""
    user = body.get("user_id") or (body.get("user") or {}).get("id") or ""
    channel = body.get("channel_id") or (body.get("channel") or {}).get("id") or ""
    message = body.get("container") or body.get("message") or {}
    place = place_in(body.get("view") or {})
    return Requester(
        team=team,
        user=user,
        channel=channel or place.get("channel", ""),
        thread_ts=message.get("thread_ts") or place.get("thread_ts"),
    )


def _value(body: Body) -> str:
    """Return the value of a button, or of the option that was chosen in a menu."""
    action = body["actions"][0]
    return str((action.get("selected_option") or action).get("value") or "")
