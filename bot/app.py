"""Settings → objects → the Bolt app: the one place where everything is wired together."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient

from bot.access import Access
from bot.agents.cancellation import SHUTDOWN
from bot.agents.config.roster import Roster
from bot.concurrency.event_dedup import EventDedup
from bot.concurrency.limiter import TurnLimiter
from bot.concurrency.running_turns import RunningTurns
from bot.http.server import WebServer
from bot.http.slack_events import events_app
from bot.jobs.digests import Digests, post_digest, was_posted
from bot.jobs.scheduler import Scheduler
from bot.listeners import app_home as home
from bot.listeners import messages, reactions
from bot.listeners import stop_button as sessions
from bot.listeners import trace_command as trace
from bot.replies.delivery import ReplyDelivery
from bot.replies.responder import Responder
from bot.settings import Settings, SettingsError
from bot.slack.attachments import SLACK_FILES, FileDownloads, FileLimits, delete_old_files
from bot.slack.client import client_with_retries, client_without_retries, connection_error, identify
from bot.slack.directory import Directory
from bot.slack.errors import SLACK_ERRORS
from bot.slack.reactions import Reactions
from bot.slack.threads import ThreadReader
from bot.trace_ui.app_home import AppHome
from bot.trace_ui.slash_command import SlashCommand
from bot.turns.cancel import TurnCanceller
from bot.turns.decider import Decider
from bot.turns.decision import BotIdentity
from bot.turns.feedback import Feedback
from bot.turns.inbox import Inbox
from bot.turns.turn import TurnHandler
from storage import Observability
from storage.database.connect import database_path

GRACE_S = 20.0

logger = logging.getLogger("tracebot")


@dataclass(slots=True)
class Bot:
    """A running bot. `listening` is what brings it events, `closing` what they need until the end;
    each is a list of what ends it."""

    app: App
    inbox: Inbox
    observability: Observability
    schedule: Scheduler
    running: RunningTurns
    listening: list[Callable[[], object]] = field(default_factory=list)
    closing: list[Callable[[], object]] = field(default_factory=list)

    def stop(self, *, grace: float = GRACE_S) -> None:
        """Take no more events; let the turns that run end, and after `grace` seconds end them."""
        self.schedule.stop()
        for stop in self.listening:
            stop()
        self.inbox.stop(grace=grace)
        for close in self.closing:
            close()

    def hurry(self) -> None:
        """End the turns that run at once, whatever grace they have; from any thread."""
        self.running.cancel_all(SHUTDOWN)


def build_bot(
    settings: Settings,
    *,
    roster: Roster,
    observability: Observability,
    collector: str | None = None,
) -> Bot:
    """The bot, not yet listening. Raises `SettingsError` where Slack refuses its token.

    `collector` is the base URL to which its agents may send their own telemetry.
    """
    client = client_with_retries(settings)
    auth = identify(client)
    identity = BotIdentity(
        user=auth["user_id"],
        bot_id=auth["bot_id"],
        agents=roster,
        mention_only=settings.mention_only,
    )
    app = App(
        client=client,
        signing_secret=settings.slack_signing_secret.get_secret_value() or "socket mode",
        token_verification_enabled=False,
        process_before_response=False,
    )
    directory = Directory(client)
    threads = ThreadReader(client)
    http = httpx.Client(timeout=10.0, follow_redirects=False)
    # Nobody waits for what is done in the background; it must keep no question waiting either.
    background = ThreadPoolExecutor(2, thread_name_prefix="tracebot-background")
    inquiries = ThreadPoolExecutor(8, thread_name_prefix="tracebot-inquiry")
    delivery = ReplyDelivery(client_without_retries(settings))
    running = RunningTurns(observability.database)
    dedup = EventDedup(observability.database)
    inbox = Inbox(
        TurnHandler(
            identity=identity,
            roster=roster,
            decider=Decider(
                identity=identity, directory=directory, threads=threads, observability=observability
            ),
            responder=Responder(
                bot_user=identity.user,
                live_client=client_without_retries(settings, timeout_s=5),
                delivery=delivery,
                observability=observability,
                settings=settings,
                collector=collector,
            ),
            reactions=Reactions(client, observability),
            downloads=_downloads(settings, client, http, observability),
            running=running,
            limiter=TurnLimiter(settings.workers),
            observability=observability,
        ),
        bot_user=identity.user,
        dedup=dedup,
        running=running,
        observability=observability,
        settings=settings,
    )
    access = Access(directory, observability.database, team=auth["team_id"])
    canceller = TurnCanceller(running=running, access=access, database=observability.database)
    feedback = Feedback(
        client=client,
        bot_user=identity.user,
        observability=observability,
        dedup=dedup,
        threads=threads,
        canceller=canceller,
        settings=settings,
    )
    messages.register(app, inbox, lambda body: background.submit(feedback.changed, body))
    reactions.register(app, feedback, background)
    sessions.register(app, canceller, inquiries)
    digests = Digests(
        observability.database,
        post=partial(post_digest, client),
        posted=partial(was_posted, client),
        audiences=access.channel_audiences,
    )
    inquiry = SlashCommand(
        client=client,
        access=access,
        directory=directory,
        digests=digests,
        canceller=canceller,
        observability=observability,
    )
    trace.register(app, inquiry, inquiries)
    home.register(app, AppHome(client, inquiry.view, observability), inquiries)
    schedule = Scheduler(
        observability.database,
        digests=digests,
        retention=settings.retention,
        delete_old_files=lambda before: delete_old_files(files_folder(settings), before=before),
    )
    app.error(_report)
    bot = Bot(app, inbox, observability, schedule, running)
    bot.closing += [
        delivery.close,
        lambda: background.shutdown(cancel_futures=True),
        lambda: inquiries.shutdown(cancel_futures=True),
        running.close,
        http.close,
    ]
    return bot


def connect(bot: Bot, settings: Settings) -> None:
    """Listen in Socket Mode."""
    handler = SocketModeHandler(
        bot.app, settings.slack_app_token.get_secret_value(), trace_enabled=False
    )
    try:
        handler.connect()
    except SLACK_ERRORS as error:
        raise SettingsError(connection_error("SLACK_APP_TOKEN", error)) from error
    bot.listening.append(handler.close)


def listen(bot: Bot, settings: Settings) -> WebServer:
    """Listen in HTTP mode, on every interface, for Slack's signed requests."""
    try:
        server = WebServer(events_app(bot.app), host="0.0.0.0", port=settings.port)
    except OSError as error:
        raise SettingsError(
            f"Port {settings.port} cannot be opened ({error.strerror}). Set PORT to another one."
        ) from error
    server.start()
    bot.listening.append(server.stop)
    return server


def files_folder(settings: Settings) -> Path:
    """Where what came with messages is kept: beside the database."""
    return database_path(settings.database_url).parent / "files"


def _downloads(
    settings: Settings, client: WebClient, http: httpx.Client, observability: Observability
) -> FileDownloads:
    api = urlsplit(settings.slack_api_url)
    own = {f"{api.scheme}://{api.netloc}"} if api.hostname in ("127.0.0.1", "localhost") else set()
    return FileDownloads(
        folder=files_folder(settings),
        token=settings.slack_bot_token.get_secret_value(),
        origins=frozenset({SLACK_FILES, *own}),
        limits=FileLimits(max_bytes=int(settings.max_file_mb * 1_000_000)),
        http=http,
        observability=observability,
        info=lambda file: client.files_info(file=file)["file"],
    )


def _report(error: Exception, body: dict[str, Any]) -> None:
    logger.error("A request of type %s failed", body.get("type"), exc_info=error)
