"""Build what answers commands, buttons and reactions, and register the listeners."""

import threading

from slack_bolt import App

from bot.app.shared import Shared
from bot.jobs.alerts import Alerts
from bot.jobs.digests import Digests
from bot.lifecycle import Workers
from bot.listeners import (
    app_home,
    ask_again_button,
    conversations,
    messages,
    reactions,
    stop_button,
    trace_command,
)
from bot.listeners.trace_command import TraceUi
from bot.slack.connection.client import client_without_retries
from bot.trace_ui.alert_buttons import AlertButtons
from bot.trace_ui.alerts import AlertOrders
from bot.trace_ui.answers import AnswerSender
from bot.trace_ui.app_home import AppHome
from bot.trace_ui.budgets import Budgets
from bot.trace_ui.buttons import Buttons
from bot.trace_ui.digest_buttons import DigestButtons
from bot.trace_ui.digest_settings import DigestSettings
from bot.trace_ui.forget import Forget
from bot.trace_ui.modal import Modals
from bot.trace_ui.slash_command import SlashCommand
from bot.turns.ask_again import AskAgain
from bot.turns.cancel import TurnCanceller
from bot.turns.feedback import BAD, GOOD, Feedback
from bot.turns.inbox import Inbox
from bot.turns.message_changes import MessageChanges

MODAL_S = 5
"""How long Slack has to open a modal, or to fill it. After that the answer is a message."""


def register_listeners(
    app: App,
    shared: Shared,
    inbox: Inbox,
    digests: Digests,
    alerts: Alerts,
    workers: Workers,
) -> None:
    """Register a listener for each kind of request, with what it hands requests over to."""
    team, dedup = shared.team, shared.dedup
    canceller = TurnCanceller(
        running=shared.running, access=shared.access, database=shared.observability.database
    )
    feedback = _feedback(shared, closing=workers.closing)
    ask_again = _ask_again(shared, inbox)
    budgets = _budgets(shared)
    settings = DigestSettings(shared.access, shared.directory, shared.observability.database)
    ui = _trace_ui(shared, digests, alerts, budgets, canceller, ask_again, settings)
    conversations.register(app, shared.access, inbox, workers.changes)
    messages.register(app, inbox, _changes(shared, canceller), workers.changes, dedup)
    reactions.register(app, feedback, dedup, ratings=workers.ratings, modals=workers.commands)
    stop_button.register(app, canceller, workers.commands, dedup, team=team)
    ask_again_button.register(app, ask_again, budgets, workers.commands, dedup, team=team)
    # Without repetitions: a trigger to open a modal lives for 3 seconds.
    modals = Modals(client_without_retries(shared.settings, shared.secrets, timeout_s=MODAL_S))
    home = _app_home(shared, ui.command, settings)
    trace_command.register(
        app, ui, modals, workers.commands, dedup, team=team, publish_home=home.publish
    )
    app_home.register(app, home, workers.commands, dedup)


def _feedback(shared: Shared, *, closing: threading.Event) -> Feedback:
    settings = shared.settings
    return Feedback(
        client=shared.client,
        team=shared.team,
        bot_user=shared.identity.user,
        bot_id=shared.identity.bot_id,
        observability=shared.observability,
        dedup=shared.dedup,
        directory=shared.directory,
        reactions={
            **dict.fromkeys(settings.feedback_up, GOOD),
            **dict.fromkeys(settings.feedback_down, BAD),
        },
        asked=settings.capture != "none",
        closing=closing,
    )


def _changes(shared: Shared, canceller: TurnCanceller) -> MessageChanges:
    return MessageChanges(
        team=shared.team,
        bot_user=shared.identity.user,
        threads=shared.threads,
        canceller=canceller,
        eraser=shared.eraser,
        lanes=shared.lanes,
        deletions=shared.deletions,
        reader=shared.reader,
    )


def _trace_ui(
    shared: Shared,
    digests: Digests,
    alerts: Alerts,
    budgets: Budgets,
    canceller: TurnCanceller,
    ask_again: AskAgain,
    digest_settings: DigestSettings,
) -> TraceUi:
    database = shared.observability.database
    sender = AnswerSender(shared.client, shared.observability)
    forget = Forget(shared.directory, shared.observability)
    orders = AlertOrders(database, alerts, shared.access, shared.directory)
    command = SlashCommand(
        sender,
        access=shared.access,
        directory=shared.directory,
        names=shared.names,
        digests=digests,
        digest_settings=digest_settings,
        budgets=budgets,
        alerts=orders,
        canceller=canceller,
        forget=forget,
        database=database,
        workspace=shared.workspace,
    )
    buttons = Buttons(
        command,
        sender,
        client=shared.client,
        bot_id=shared.identity.bot_id,
        access=shared.access,
        ask_again=ask_again,
        forget=forget,
        database=database,
    )
    return TraceUi(
        command, buttons, AlertButtons(orders, sender), DigestButtons(digest_settings, sender)
    )


def _budgets(shared: Shared) -> Budgets:
    return Budgets(
        shared.observability.database,
        shared.access,
        shared.directory,
        shared.names,
        agents=lambda: shared.roster.names,
    )


def _ask_again(shared: Shared, inbox: Inbox) -> AskAgain:
    return AskAgain(
        client=shared.client,
        team=shared.team,
        roster=shared.roster,
        permission=shared.permission,
        directory=shared.directory,
        dedup=shared.dedup,
        inbox=inbox,
        database=shared.observability.database,
    )


def _app_home(shared: Shared, command: SlashCommand, settings: DigestSettings) -> AppHome:
    return AppHome(
        shared.client,
        command.answer,
        settings.joined,
        shared.observability,
        team=shared.team,
        roster=shared.roster,
        permission=shared.permission,
    )
