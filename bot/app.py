"""Wire the bot together, from settings to a Bolt app. No other module constructs its parts."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from slack_bolt import App
from slack_sdk import WebClient

from bot.access import Access
from bot.agents.config.access_rules import refuse_groups_without_scope
from bot.agents.config.roster import Roster
from bot.agents.config.status import unusable_agents
from bot.bolt_app import bolt_app
from bot.concurrency.event_dedup import EventDedup
from bot.concurrency.running_turns import RunningTurns
from bot.jobs.alerts import Alerts, SlackPosts
from bot.jobs.budget_warnings import BudgetWarnings
from bot.jobs.digests import Digests, post_digest, was_posted
from bot.jobs.poster import Poster
from bot.jobs.scheduler import Scheduler
from bot.lifecycle import Bot, Workers
from bot.listeners import (
    app_home,
    ask_again_button,
    conversations,
    messages,
    other_workspaces,
    reactions,
    stop_button,
    trace_command,
)
from bot.listeners.trace_command import TraceUi
from bot.replies.delivery import ReplyDelivery
from bot.replies.final_reply import ReplyWriter
from bot.replies.notices import Notices
from bot.replies.repair import ReplyRepair
from bot.replies.responder import Responder
from bot.replies.unfinished import UnfinishedReplies
from bot.settings import Settings
from bot.slack.attachments import SLACK_FILES, FileDownloads, FileLimits, delete_old_files
from bot.slack.connection.client import (
    client_for_lookups,
    client_for_start,
    client_with_retries,
    client_without_retries,
)
from bot.slack.connection.credentials import SCOPES_UNKNOWN, identify
from bot.slack.connection.guarded_client import guard_answers
from bot.slack.connection.status import ConnectionStatus, note_connection
from bot.slack.conversation.conversation import ConversationReader
from bot.slack.conversation.names import NameLookup
from bot.slack.directory import Directory
from bot.slack.errors import SLACK_ERRORS
from bot.slack.own_deletions import OwnDeletions
from bot.slack.own_secrets import OwnSecrets
from bot.slack.reactions import Reactions
from bot.slack.threads import ThreadReader
from bot.trace_ui.alert_buttons import AlertButtons
from bot.trace_ui.alerts import AlertOrders
from bot.trace_ui.answers import AnswerSender
from bot.trace_ui.app_home import AppHome
from bot.trace_ui.budgets import Budgets
from bot.trace_ui.buttons import Buttons
from bot.trace_ui.digest_buttons import DigestButtons
from bot.trace_ui.digest_settings import DigestSettings
from bot.trace_ui.forget import Forget
from bot.trace_ui.key_names import key_names
from bot.trace_ui.modal import Modals
from bot.trace_ui.slash_command import SlashCommand
from bot.turns.ask_again import AskAgain
from bot.turns.asked import AgentChoice
from bot.turns.budget_check import BudgetCheck
from bot.turns.budget_notice import BudgetNotices
from bot.turns.cancel import TurnCanceller
from bot.turns.decider import Decider
from bot.turns.decision import BotIdentity
from bot.turns.eraser import Eraser
from bot.turns.feedback import BAD, GOOD, Feedback
from bot.turns.inbox import Inbox
from bot.turns.message_changes import MessageChanges
from bot.turns.permission import Permission
from bot.turns.turn import TurnHandler
from reports.views.health import problems_of
from storage import Observability
from storage.database.connect import database_path
from storage.health import health

LIVE_TIMEOUT_S = 5
"""How long a reply that grows waits for Slack: as long may the end of the answer have to wait."""
MODAL_S = 5
"""How long Slack has to open a modal, or to fill it. After that the answer is a message."""

logger = logging.getLogger("tracebot")


@dataclass(frozen=True, slots=True)
class _Shared:
    """The objects that several parts of a bot are built from."""

    settings: Settings
    observability: Observability
    secrets: OwnSecrets
    roster: Roster
    identity: BotIdentity
    team: str
    workspace: str
    """The workspace's URL, with a slash at its end."""
    client: WebClient
    directory: Directory
    names: NameLookup
    reader: ConversationReader
    threads: ThreadReader
    access: Access
    permission: Permission
    dedup: EventDedup
    running: RunningTurns
    deletions: OwnDeletions
    delivery: ReplyDelivery
    unfinished: UnfinishedReplies
    eraser: Eraser
    budgets: BudgetCheck


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
    auth, identity = _identity(settings, roster)
    team = auth["team_id"]
    shared = _shared(settings, roster, observability, auth, identity, collector)
    inbox = _inbox(shared, collector)
    digests, alerts = _digests(shared), _alerts(shared)
    workers = Workers()
    app = bolt_app(settings, identity, team=team, observability=observability)
    _register_listeners(app, shared, inbox, digests, alerts, workers)
    guard_answers(app, shared.secrets)
    return Bot(
        app=app,
        inbox=inbox,
        scheduler=_scheduler(shared, digests, alerts, status),
        running=shared.running,
        delivery=shared.delivery,
        unfinished=shared.unfinished,
        workers=workers,
        eraser=shared.eraser,
        observability=observability,
        status=status,
    )


def _identity(settings: Settings, roster: Roster) -> tuple[dict[str, Any], BotIdentity]:
    """Ask Slack who the bot is, and what it may do; return its answer, and the bot."""
    auth = identify(client_for_start(settings))
    if auth["scopes"] is None:
        logger.warning(SCOPES_UNKNOWN)
    else:
        roster.require(partial(refuse_groups_without_scope, scopes=auth["scopes"]))
    identity = BotIdentity(
        user=auth["user_id"],
        bot_id=auth["bot_id"],
        mention_only=settings.mention_only,
        answer_edits=settings.answer_edits,
    )
    return auth, identity


def _shared(
    settings: Settings,
    roster: Roster,
    observability: Observability,
    auth: Mapping[str, Any],
    identity: BotIdentity,
    collector: str | None,
) -> _Shared:
    team = auth["team_id"]
    database = observability.database
    secrets = OwnSecrets(settings, roster, collector=collector)
    client = client_with_retries(settings, secrets)
    directory = Directory(client_for_lookups(settings, secrets))
    names = NameLookup(directory)
    access = Access(directory, database, team=team)
    deletions = OwnDeletions()
    return _Shared(
        settings=settings,
        observability=observability,
        secrets=secrets,
        roster=roster,
        identity=identity,
        team=team,
        workspace=str(auth.get("url") or ""),
        client=client,
        directory=directory,
        names=names,
        reader=ConversationReader(
            names, bot_user=identity.user, bot_id=identity.bot_id, settings=settings
        ),
        threads=ThreadReader(client, bot_id=identity.bot_id),
        access=access,
        permission=Permission(access, directory, team=team),
        dedup=EventDedup(database),
        running=RunningTurns(database, limit=settings.workers),
        deletions=deletions,
        delivery=ReplyDelivery(
            client_without_retries(settings, secrets), bot_id=identity.bot_id, deletions=deletions
        ),
        unfinished=UnfinishedReplies(database, team=team, keep_text=settings.capture != "none"),
        eraser=Eraser(observability),
        budgets=BudgetCheck(database),
    )


def _inbox(shared: _Shared, collector: str | None) -> Inbox:
    """Build the path of a message: inbox, turn, decision, reply."""
    notices = Notices(shared.delivery, shared.observability)
    handler = TurnHandler(
        identity=shared.identity,
        roster=shared.roster,
        decider=_decider(shared),
        responder=_responder(shared, collector),
        notices=notices,
        reactions=Reactions(shared.client, shared.observability),
        downloads=_downloads(shared),
        reader=shared.reader,
        unfinished=shared.unfinished,
        running=shared.running,
        dedup=shared.dedup,
        budget_notices=BudgetNotices(
            shared.budgets,
            notices,
            shared.roster,
            shared.permission,
            is_shared=shared.access.is_shared,
        ),
        observability=shared.observability,
    )
    return Inbox(
        handler,
        team=shared.team,
        bot_user=shared.identity.user,
        reader=shared.reader,
        dedup=shared.dedup,
        running=shared.running,
        observability=shared.observability,
    )


def _decider(shared: _Shared) -> Decider:
    return Decider(
        identity=shared.identity,
        directory=shared.directory,
        threads=shared.threads,
        choice=AgentChoice(
            shared.roster,
            shared.permission,
            bot_user=shared.identity.user,
            is_person=lambda name: bool(shared.directory.users_named(name)),
        ),
        budgets=shared.budgets,
        observability=shared.observability,
    )


def _responder(shared: _Shared, collector: str | None) -> Responder:
    return Responder(
        bot_user=shared.identity.user,
        # Short: an update of a live reply that takes longer is overtaken by the next one.
        live_client=client_without_retries(
            shared.settings, shared.secrets, timeout_s=LIVE_TIMEOUT_S
        ),
        delivery=shared.delivery,
        observability=shared.observability,
        settings=shared.settings,
        secrets=shared.secrets,
        unfinished=shared.unfinished,
        writer=ReplyWriter(shared.secrets, lambda: shared.roster.names),
        names=shared.names,
        collector=collector,
    )


def _downloads(shared: _Shared) -> FileDownloads:
    settings = shared.settings
    api = urlsplit(settings.slack_api_url)
    # The token goes to Slack's file server only, or to the sandbox if that is the API.
    own = {f"{api.scheme}://{api.netloc}"} if api.hostname in ("127.0.0.1", "localhost") else set()
    return FileDownloads(
        folder=files_folder(settings),
        token=settings.slack_bot_token.get_secret_value(),
        origins=frozenset({SLACK_FILES, *own}),
        limits=FileLimits(
            max_bytes=int(settings.max_file_mb * 1_000_000), max_files=settings.max_files
        ),
        observability=shared.observability,
        info=lambda file: shared.client.files_info(file=file)["file"],
    )


def files_folder(settings: Settings) -> Path:
    """Return the folder of downloaded files, which is beside the database."""
    return database_path(settings.database_url).parent / "files"


def _digests(shared: _Shared) -> Digests:
    return Digests(
        shared.observability.database,
        team=shared.team,
        workspace=shared.workspace,
        post=partial(post_digest, shared.client),
        posted=partial(was_posted, shared.client, shared.identity.bot_id),
        sight_in=shared.access.sight_in,
    )


def _alerts(shared: _Shared) -> Alerts:
    database = shared.observability.database
    return Alerts(
        database,
        team=shared.team,
        posts=SlackPosts(shared.client, shared.identity.bot_id),
        sight_in=shared.access.sight_in,
        names_for=partial(key_names, shared.names, shared.directory),
        agents=lambda: unusable_agents(shared.roster),
        in_file=lambda: ((each.channel, each.condition) for each in shared.roster.alerts),
        slack_errors=SLACK_ERRORS,
        health=lambda: problems_of(health(database, now=(now := time.time_ns())), now=now),
    )


def _budget_warnings(shared: _Shared) -> BudgetWarnings:
    client = shared.client
    poster = Poster(
        shared.observability.database,
        post=partial(post_digest, client),
        posted=partial(was_posted, client, shared.identity.bot_id),
    )
    return BudgetWarnings(
        shared.observability.database,
        poster,
        team=shared.team,
        sight_in=shared.access.sight_in,
        direct=lambda user: str(client.conversations_open(users=user)["channel"]["id"]),
    )


def _scheduler(
    shared: _Shared, digests: Digests, alerts: Alerts, status: ConnectionStatus
) -> Scheduler:
    settings, database = shared.settings, shared.observability.database
    repair = ReplyRepair(
        client_without_retries(settings, shared.secrets, timeout_s=10),
        shared.unfinished,
        shared.observability,
        bot_user=shared.identity.user,
        bot_id=shared.identity.bot_id,
        deletions=shared.deletions,
        dedup=shared.dedup,
    )
    warnings = _budget_warnings(shared)
    return Scheduler(
        database,
        digests=digests,
        retention=settings.retention,
        folding=settings.folding,
        delete_old_files=lambda before: delete_old_files(files_folder(settings), before=before),
        note_connection=partial(note_connection, database, status, team=shared.team),
        end_replies=lambda now: repair.run(now=now),
        run_alerts=lambda now: alerts.run(now=now),
        warn_of_budgets=lambda now: warnings.send_due(now=now),
    )


def _register_listeners(
    app: App,
    shared: _Shared,
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
    feedback = _feedback(shared)
    ask_again = _ask_again(shared, inbox)
    budgets = _budgets(shared)
    settings = DigestSettings(shared.access, shared.directory, shared.observability.database)
    ui = _trace_ui(shared, digests, alerts, budgets, canceller, ask_again, settings)
    other_workspaces.ignore(app, team=team)
    conversations.register(app, shared.access, inbox, workers.feedback)
    messages.register(app, inbox, _changes(shared, canceller), workers.feedback, dedup)
    reactions.register(app, feedback, dedup, reactions=workers.feedback, presses=workers.commands)
    stop_button.register(app, canceller, workers.commands, dedup, team=team)
    ask_again_button.register(app, ask_again, budgets, workers.commands, dedup, team=team)
    # Without repetitions: a trigger to open a modal lives for 3 seconds.
    modals = Modals(client_without_retries(shared.settings, shared.secrets, timeout_s=MODAL_S))
    home = _app_home(shared, ui.command, settings)
    trace_command.register(
        app, ui, modals, workers.commands, dedup, team=team, publish_home=home.publish
    )
    app_home.register(app, home, workers.commands, dedup)


def _feedback(shared: _Shared) -> Feedback:
    settings = shared.settings
    return Feedback(
        client=shared.client,
        team=shared.team,
        bot_user=shared.identity.user,
        bot_id=shared.identity.bot_id,
        observability=shared.observability,
        dedup=shared.dedup,
        reactions={
            **dict.fromkeys(settings.feedback_up, GOOD),
            **dict.fromkeys(settings.feedback_down, BAD),
        },
        asked=settings.capture != "none",
    )


def _changes(shared: _Shared, canceller: TurnCanceller) -> MessageChanges:
    return MessageChanges(
        team=shared.team,
        bot_user=shared.identity.user,
        threads=shared.threads,
        canceller=canceller,
        eraser=shared.eraser,
        deletions=shared.deletions,
        reader=shared.reader,
    )


def _trace_ui(
    shared: _Shared,
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


def _budgets(shared: _Shared) -> Budgets:
    return Budgets(
        shared.observability.database,
        shared.access,
        shared.directory,
        shared.names,
        agents=lambda: shared.roster.names,
    )


def _ask_again(shared: _Shared, inbox: Inbox) -> AskAgain:
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


def _app_home(shared: _Shared, command: SlashCommand, settings: DigestSettings) -> AppHome:
    return AppHome(
        shared.client,
        command.answer,
        settings.joined,
        shared.observability,
        team=shared.team,
        roster=shared.roster,
        permission=shared.permission,
    )
