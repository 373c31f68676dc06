"""Wire the bot together: from settings to a Bolt app. No other module constructs its parts."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from slack_bolt import App, BoltRequest, BoltResponse
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.error import BoltUnhandledRequestError
from slack_sdk import WebClient

from bot.access import Access
from bot.agents.cancellation import SHUTDOWN
from bot.agents.config.access_rules import refuse_groups_without_scope
from bot.agents.config.roster import Roster
from bot.concurrency.event_dedup import EventDedup
from bot.concurrency.logging_executor import LoggingExecutor
from bot.concurrency.running_turns import RunningTurns
from bot.http.server import EVERYWHERE, WebServer
from bot.http.slack_events import events_app
from bot.jobs.digests import Digests, post_digest, was_posted
from bot.jobs.scheduler import Scheduler
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
from bot.replies.delivery import ReplyDelivery
from bot.replies.repair import ReplyRepair
from bot.replies.responder import Responder
from bot.replies.unfinished import UnfinishedReplies
from bot.settings import Settings, SettingsError
from bot.slack.attachments import SLACK_FILES, FileDownloads, FileLimits, delete_old_files
from bot.slack.connection.client import (
    client_for_lookups,
    client_for_start,
    client_with_retries,
    client_without_retries,
)
from bot.slack.connection.credentials import SCOPES_UNKNOWN, identify, socket_url
from bot.slack.connection.guarded_client import guard_answers
from bot.slack.connection.socket_mode import SocketMode, bolt_handler
from bot.slack.connection.status import ConnectionStatus, note_connection
from bot.slack.conversation.conversation import ConversationReader
from bot.slack.conversation.names import NameLookup
from bot.slack.directory import Directory
from bot.slack.own_secrets import OwnSecrets
from bot.slack.reactions import Reactions
from bot.slack.threads import ThreadReader
from bot.trace_ui.app_home import AppHome
from bot.trace_ui.slash_command import SlashCommand
from bot.turns.ask_again import AskAgain
from bot.turns.asked import AgentChoice
from bot.turns.cancel import TurnCanceller
from bot.turns.decider import Decider
from bot.turns.decision import BotIdentity
from bot.turns.eraser import Eraser
from bot.turns.feedback import Feedback
from bot.turns.inbox import Inbox
from bot.turns.permission import Permission
from bot.turns.turn import TurnHandler
from storage import Observability
from storage.database.connect import database_path
from storage.writer.dropped import RATE_LIMITED, REFUSED

GRACE_S = 20.0
"""How long running turns may go on when the bot is stopped, in seconds."""

logger = logging.getLogger("tracebot")


class Workers:
    """Threads for what Slack asks beside messages; Bolt's own threads only hand over.

    The pools are separate, so that no burst of reactions keeps somebody waiting for `/trace`.
    """

    def __init__(self) -> None:
        self.feedback = LoggingExecutor(2, thread_name_prefix="tracebot-feedback")
        self.commands = LoggingExecutor(8, thread_name_prefix="tracebot-command")

    def close(self) -> None:
        """Finish what runs and drop what waits."""
        for pool in (self.feedback, self.commands):
            pool.shutdown(cancel_futures=True)


class TolerantApp(App):
    """A Bolt app that accepts whatever Slack signs, also in a form that Bolt does not expect."""

    def dispatch(self, req: BoltRequest) -> BoltResponse:
        """Answer a request. Slack would send one again that fails, and it would fail again."""
        try:
            return super().dispatch(req)
        except Exception as error:
            logger.error("A request cannot be read by Bolt: %s: %s", type(error).__name__, error)
            return BoltResponse(status=200)


@dataclass(slots=True)
class Bot:
    """A running bot, and the order in which its parts are closed.

    `sources` are functions that stop what brings it events; `connect` and `listen` add theirs.
    """

    app: App
    inbox: Inbox
    scheduler: Scheduler
    running: RunningTurns
    delivery: ReplyDelivery
    unfinished: UnfinishedReplies
    workers: Workers
    eraser: Eraser
    observability: Observability
    status: ConnectionStatus
    sources: list[Callable[[], object]] = field(default_factory=list)

    def stop(self, *, grace: float = GRACE_S) -> None:
        """Accept no more events, let turns end for *grace* seconds, then cancel them."""
        # First whatever begins work, so that nothing new comes while the rest is closed.
        self.scheduler.stop()
        for stop in self.sources:
            stop()
        # Then the turns. They still need everything below: workers to cancel them on a click,
        # `running` to hear of other processes' requests, `delivery` to post.
        self.inbox.stop(grace=grace)
        # A turn that outlived its cancellation may still retry a post: let it fail now.
        self.delivery.close()
        # Then what the turns used. Workers end before `running`, because a click may cancel a turn.
        self.workers.close()
        self.unfinished.close()
        self.eraser.close()
        self.running.close()
        # The database is closed by the caller, who opened it: all of the above record into it.

    def cancel_turns(self) -> None:
        """Cancel the running turns at once, without grace. May be called from any thread."""
        self.running.cancel_all(SHUTDOWN)


@dataclass(frozen=True, slots=True)
class _Shared:
    """The objects that several parts of a bot are built from."""

    settings: Settings
    observability: Observability
    secrets: OwnSecrets
    client: WebClient
    identity: BotIdentity
    directory: Directory
    names: NameLookup
    reader: ConversationReader
    threads: ThreadReader
    dedup: EventDedup
    running: RunningTurns
    access: Access
    team: str
    roster: Roster
    permission: Permission
    eraser: Eraser


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
    shared = _shared(settings, roster, observability)
    delivery = ReplyDelivery(
        client_without_retries(settings, shared.secrets), bot_id=shared.identity.bot_id
    )
    unfinished = UnfinishedReplies(
        observability.database, team=shared.team, keep_text=settings.capture != "none"
    )
    repair = ReplyRepair(
        client_without_retries(settings, shared.secrets, timeout_s=10),
        unfinished,
        observability.database,
        bot_user=shared.identity.user,
        bot_id=shared.identity.bot_id,
    )
    inbox = _inbox(shared, delivery, unfinished, collector)
    digests = Digests(
        observability.database,
        team=shared.team,
        post=partial(post_digest, shared.client),
        posted=partial(was_posted, shared.client, shared.identity.bot_id),
        sight_in=shared.access.sight_in,
    )
    workers = Workers()
    return Bot(
        app=_bolt_app(shared, inbox, digests, workers),
        inbox=inbox,
        scheduler=Scheduler(
            observability.database,
            digests=digests,
            retention=settings.retention,
            delete_old_files=lambda before: delete_old_files(files_folder(settings), before=before),
            note_connection=partial(
                note_connection, observability.database, status, team=shared.team
            ),
            end_replies=lambda now: repair.run(now=now),
        ),
        running=shared.running,
        delivery=delivery,
        unfinished=unfinished,
        workers=workers,
        eraser=shared.eraser,
        observability=observability,
        status=status,
    )


def _shared(settings: Settings, roster: Roster, observability: Observability) -> _Shared:
    secrets = OwnSecrets(settings, roster)
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
    client = client_with_retries(settings, secrets)
    directory = Directory(client_for_lookups(settings, secrets))
    names = NameLookup(directory)
    access = Access(directory, observability.database, team=auth["team_id"])
    return _Shared(
        settings=settings,
        observability=observability,
        secrets=secrets,
        client=client,
        identity=identity,
        directory=directory,
        names=names,
        reader=ConversationReader(
            names,
            bot_user=identity.user,
            bot_id=identity.bot_id,
            settings=settings,
        ),
        threads=ThreadReader(client, bot_id=identity.bot_id),
        dedup=EventDedup(observability.database),
        running=RunningTurns(observability.database, limit=settings.workers),
        access=access,
        team=auth["team_id"],
        roster=roster,
        permission=Permission(access, directory, team=auth["team_id"]),
        eraser=Eraser(observability),
    )


def _inbox(
    shared: _Shared,
    delivery: ReplyDelivery,
    unfinished: UnfinishedReplies,
    collector: str | None,
) -> Inbox:
    """Build the path of a message: inbox, turn, decision, reply."""
    settings, observability, identity = shared.settings, shared.observability, shared.identity
    decider = Decider(
        identity=identity,
        directory=shared.directory,
        threads=shared.threads,
        choice=AgentChoice(
            shared.roster,
            shared.permission,
            bot_user=identity.user,
            is_person=lambda name: bool(shared.directory.users_named(name)),
        ),
        observability=observability,
    )
    responder = Responder(
        bot_user=identity.user,
        # Short: an update of a live reply that takes longer is overtaken by the next one.
        live_client=client_without_retries(settings, shared.secrets, timeout_s=5),
        delivery=delivery,
        observability=observability,
        settings=settings,
        secrets=shared.secrets,
        unfinished=unfinished,
        agents=lambda: shared.roster.names,
        names=shared.names,
        collector=collector,
    )
    handler = TurnHandler(
        identity=identity,
        roster=shared.roster,
        decider=decider,
        responder=responder,
        reactions=Reactions(shared.client, observability),
        downloads=_downloads(shared),
        reader=shared.reader,
        unfinished=unfinished,
        running=shared.running,
        dedup=shared.dedup,
        observability=observability,
    )
    return Inbox(
        handler,
        team=shared.team,
        bot_user=identity.user,
        reader=shared.reader,
        dedup=shared.dedup,
        running=shared.running,
        observability=observability,
    )


def _bolt_app(shared: _Shared, inbox: Inbox, digests: Digests, workers: Workers) -> App:
    """Build the Bolt app, and register a listener for each kind of request."""
    client, observability = shared.client, shared.observability
    app = TolerantApp(
        # Without a token: listeners post through the clients of `bot.slack.connection`, which keep
        # our secrets, and a token here would be reported as unused beside `authorize`.
        client=WebClient(base_url=shared.settings.slack_api_url),
        # What the start learned. By default Bolt would ask `auth.test` while a request waits.
        authorize=_authorize(shared.identity, shared.team),
        signing_secret=shared.settings.slack_signing_secret.get_secret_value() or "socket mode",
        token_verification_enabled=False,
        process_before_response=False,
        # So that `_report` answers them, without a warning for each.
        raise_error_for_unhandled_request=True,
    )
    canceller = TurnCanceller(
        running=shared.running, access=shared.access, database=observability.database
    )
    feedback = Feedback(
        client=client,
        team=shared.team,
        bot_user=shared.identity.user,
        bot_id=shared.identity.bot_id,
        observability=observability,
        dedup=shared.dedup,
        threads=shared.threads,
        canceller=canceller,
        eraser=shared.eraser,
        reader=shared.reader,
    )
    command = SlashCommand(
        client=client,
        bot_id=shared.identity.bot_id,
        access=shared.access,
        directory=shared.directory,
        names=shared.names,
        digests=digests,
        canceller=canceller,
        observability=observability,
    )
    dedup = shared.dedup
    home = AppHome(
        client,
        command.answer,
        observability,
        team=shared.team,
        roster=shared.roster,
        permission=shared.permission,
    )
    other_workspaces.ignore(app, team=shared.team)
    conversations.register(app, shared.access, inbox, workers.feedback)
    messages.register(app, inbox, feedback, workers.feedback, dedup)
    reactions.register(app, feedback, workers.feedback, dedup)
    stop_button.register(app, canceller, workers.commands, dedup, team=shared.team)
    ask_again = AskAgain(
        client=client,
        team=shared.team,
        roster=shared.roster,
        permission=shared.permission,
        directory=shared.directory,
        dedup=dedup,
        inbox=inbox,
        database=observability.database,
    )
    ask_again_button.register(app, ask_again, workers.commands, dedup)
    trace_command.register(app, command, workers.commands, dedup, team=shared.team)
    app_home.register(app, home, workers.commands, dedup)
    guard_answers(app, shared.secrets)
    app.error(partial(_report, observability))
    return app


def _authorize(identity: BotIdentity, team: str) -> Callable[..., AuthorizeResult]:
    """Return what tells Bolt who the bot is: always the same, as it is in one workspace."""

    def authorize(enterprise_id: str | None, user_id: str | None) -> AuthorizeResult:
        return AuthorizeResult(
            enterprise_id=enterprise_id,
            team_id=team,
            bot_user_id=identity.user,
            bot_id=identity.bot_id,
            user_id=user_id,
        )

    return authorize


def connect(bot: Bot, settings: Settings) -> None:
    """Connect in Socket Mode, in the background; `bot.status` says whether it is connected.

    Raises `SettingsError` at once if Slack refuses the app's token.
    """
    client = client_for_start(settings)
    token = settings.slack_app_token.get_secret_value()
    socket = SocketMode(
        partial(socket_url, client, token),
        bolt_handler(bot.app),
        bot.status,
        proxy=client.proxy,
    )
    bot.sources.append(socket.close)
    socket.start()


def listen(bot: Bot, settings: Settings) -> WebServer:
    """Listen in HTTP mode, on every interface, for Slack's signed requests."""
    try:
        web = events_app(
            bot.app,
            signing_secret=settings.slack_signing_secret.get_secret_value(),
            refused=partial(bot.observability.count, REFUSED),
        )
        server = WebServer(web, host=EVERYWHERE, port=settings.port)
    except OSError as error:
        raise SettingsError(
            f"Port {settings.port} cannot be opened ({error.strerror}). Set PORT to another one."
        ) from error
    server.start()
    bot.sources.append(server.stop)
    bot.status.stands()
    return server


def files_folder(settings: Settings) -> Path:
    """Return the folder of downloaded files, which is beside the database."""
    return database_path(settings.database_url).parent / "files"


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


def _report(
    observability: Observability, error: Exception, body: dict[str, Any]
) -> BoltResponse | None:
    """Log a listener's error; accept requests that have no listener.

    Slack would send those again, and would stop to send any if they are most of them.
    """
    if not isinstance(error, BoltUnhandledRequestError):
        logger.error("A request of type %s failed", body.get("type"), exc_info=error)
        return None
    if body.get("type") == "app_rate_limited":
        observability.count(RATE_LIMITED, "slack")
    return BoltResponse(status=200)
