"""`/trace`, its buttons, and the message shortcut."""

import re
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any

from slack_bolt import Ack, App, BoltRequest

from bot.concurrency.event_dedup import EventDedup, interaction_key
from bot.slack.conversation.mrkdwn import unescaped
from bot.trace_ui.alert_buttons import AlertButtons
from bot.trace_ui.alert_form import ALERT_FORM
from bot.trace_ui.alert_form import submitted as submitted_alert
from bot.trace_ui.buttons import Buttons
from bot.trace_ui.digest_buttons import DigestButtons
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
Answer = Callable[[Body, Requester, Respond], None]


@dataclass(frozen=True, slots=True)
class TraceUi:
    """The objects that answer the command, the buttons and the forms."""

    command: SlashCommand
    buttons: Buttons
    alerts: AlertButtons
    digests: DigestButtons


def register(
    app: App,
    ui: TraceUi,
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
            answer(body, requester, shown(body, requester, respond))
            if is_home(body):
                publish_home(requester.user)

        def listen(ack: Ack, body: Body, req: BoltRequest, respond: Respond) -> None:
            ack()
            key = interaction_key(body, req)
            requester = _requester(body, team)
            executor.submit(dedup.once, key, answered, body, requester, respond)

        return listen

    app.command("/trace")(listener(partial(_command, ui.command)))
    app.shortcut("show_trace")(listener(partial(_shortcut, ui.buttons), in_modal=True))
    app.action(_starting_with(SHOW))(listener(_asking("show", ui.command), in_modal=True))
    app.action(_starting_with(f"{STOP}_"))(listener(_asking("cancel", ui.command)))
    app.action(_starting_with(RUN))(listener(partial(_run, ui.buttons)))
    app.action(_starting_with(ISSUE))(listener(_pressed(ui.buttons.change_issue)))
    app.action(STOP)(listener(_pressed(ui.buttons.stop)))
    app.action(SHARE)(listener(_pressed(ui.buttons.share)))
    app.action(_starting_with(RAW))(listener(_pressed(ui.buttons.raw), in_modal=True))
    app.action(AGAIN)(listener(_pressed(ui.buttons.again)))
    app.action(OPEN)(_acknowledge)
    app.action(FORGET)(listener(_pressed(ui.buttons.forget)))
    app.action(_starting_with(ALERT_ACKNOWLEDGE))(listener(_alert(ui.alerts.acknowledge)))
    app.action(ALERT_ADD)(listener(partial(_alert_form, ui.alerts), in_modal=True))
    app.action(_starting_with(ALERT_SNOOZE))(listener(_alert(ui.alerts.snooze)))
    app.action(_starting_with(DIGEST_CHANGE))(listener(_pressed(ui.digests.form), in_modal=True))
    app.action(_starting_with(DIGEST_OFF))(listener(_pressed(ui.digests.off)))
    _register_forms(app, ui, executor, dedup, team=team, publish_home=publish_home)


def _register_forms(
    app: App,
    ui: TraceUi,
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

    app.view(DIGEST_FORM)(form(submitted, ui.digests.submitted))
    app.view(ALERT_FORM)(form(submitted_alert, ui.alerts.submitted))


def _pressed(answer: Callable[[str, Requester, Respond], None]) -> Answer:
    """Return a function that gives *answer* the value of the button."""

    def press(body: Body, requester: Requester, respond: Respond) -> None:
        answer(_value(body), requester, respond)

    return press


def _asking(name: str, command: SlashCommand) -> Answer:
    """Return a function that asks the command *name* for the value of the button."""

    def ask(body: Body, requester: Requester, respond: Respond) -> None:
        command.ask(f"{name} {_value(body)}", requester, respond)

    return ask


def _command(command: SlashCommand, body: Body, requester: Requester, respond: Respond) -> None:
    # Slack escapes what is typed here as it does in messages: `cost&gt;0.5`.
    command.ask(unescaped(body.get("text") or ""), requester, respond)


def _shortcut(buttons: Buttons, body: Body, requester: Requester, respond: Respond) -> None:
    buttons.show_message(body["message"], requester, respond)


def _run(buttons: Buttons, body: Body, requester: Requester, respond: Respond) -> None:
    buttons.run(_value(body), requester, respond, in_place=_is_only_theirs(body))


def _alert(answer: Callable[..., None]) -> Answer:
    """Return a function that gives *answer* the id of an alert.

    The message of an alert shows what came of it; a list does not.
    """

    def press(body: Body, requester: Requester, respond: Respond) -> None:
        answer(_value(body), requester, respond, only_refusals=not _is_only_theirs(body))

    return press


def _is_only_theirs(body: Body) -> bool:
    """Return whether only the one who pressed sees the button."""
    container = body.get("container") or {}
    return container.get("type") == "view" or bool(container.get("is_ephemeral"))


def _acknowledge(ack: Ack) -> None:
    """Do nothing else: Slack itself opens the URL of a button, and tells of the press."""
    ack()


def _alert_form(alerts: AlertButtons, body: Body, requester: Requester, respond: Respond) -> None:
    alerts.form(requester, respond)


def _starting_with(action_id: str) -> re.Pattern[str]:
    return re.compile(f"^{re.escape(action_id)}")


def _requester(body: Body, team: str) -> Requester:
    """Return who asks, and where. Commands name these in flat fields, actions in objects."""
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
