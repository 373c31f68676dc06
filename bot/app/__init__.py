"""Wire the bot together, from settings to a Bolt app. No other room constructs its parts."""

from bot.agents.config.roster import Roster
from bot.app.jobs import build_alerts, build_digests, build_scheduler
from bot.app.listeners import register_listeners
from bot.app.shared import build_shared
from bot.app.turns import build_inbox
from bot.bolt_app import bolt_app
from bot.lifecycle import Bot, Workers
from bot.settings import Settings
from bot.slack.connection.guarded_client import guard_answers
from bot.slack.connection.status import ConnectionStatus
from storage import Observability


def build_bot(
    settings: Settings,
    *,
    roster: Roster,
    observability: Observability,
    collector: str | None = None,
    status: ConnectionStatus | None = None,
) -> Bot:
    """Return the bot, not yet listening.

    Raises `SettingsError` if Slack refuses its token, `SlackUnavailable` if Slack or the network is
    not well, and `RosterError` if the agents file names user groups that the bot may not read.

    `collector` is the base URL to which its agents may send their own telemetry.
    """
    status = status or ConnectionStatus()
    shared = build_shared(settings, roster, observability, collector, status)
    inbox = build_inbox(shared, collector)
    digests, alerts = build_digests(shared), build_alerts(shared)
    workers = Workers()
    app = bolt_app(settings, shared.identity, team=shared.team, observability=observability)
    register_listeners(app, shared, inbox, digests, alerts, workers)
    guard_answers(app, shared.secrets, shared.client)
    return Bot(
        app=app,
        inbox=inbox,
        scheduler=build_scheduler(shared, inbox, digests, alerts, status),
        running=shared.running,
        delivery=shared.delivery,
        unfinished=shared.unfinished,
        workers=workers,
        eraser=shared.eraser,
        observability=observability,
        status=status,
        notices=shared.notices,
        presence=shared.presence,
    )
