"""A running bot: how Slack reaches it, and in which order its parts are closed."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from slack_bolt import App

from bot.agents.cancellation import SHUTDOWN
from bot.concurrency.logging_executor import LoggingExecutor
from bot.concurrency.notice_board import NoticeBoard
from bot.concurrency.running_turns import RunningTurns
from bot.http.addresses import EVERYWHERE
from bot.http.server import WebServer
from bot.http.slack_events import events_app
from bot.jobs.scheduler import Scheduler
from bot.replies.delivery import ReplyDelivery
from bot.replies.unfinished import UnfinishedReplies
from bot.settings import Settings, SettingsError
from bot.slack.connection.credentials import socket_url
from bot.slack.connection.presence import Presence
from bot.slack.connection.socket_mode import SocketMode, bolt_handler
from bot.slack.connection.start_client import client_for_start
from bot.slack.connection.status import ConnectionStatus
from bot.slack.errors import SLACK_ERRORS
from bot.turns.eraser import Eraser
from bot.turns.inbox import Inbox
from storage import Observability
from storage.writer.dropped import REFUSED

GRACE_S = 20.0
"""How long running turns may go on when the bot is stopped, in seconds."""


class Workers:
    """Threads for what Slack asks beside messages; Bolt's own threads only hand over.

    The pools are separate, so that no burst of reactions keeps somebody waiting for `/trace`, and
    no rating that waits for a locked database holds up an edit, or a channel that becomes private.
    """

    def __init__(self) -> None:
        self.ratings = LoggingExecutor(2, expected=SLACK_ERRORS, name="tracebot-rating")
        self.changes = LoggingExecutor(2, expected=SLACK_ERRORS, name="tracebot-change")
        self.commands = LoggingExecutor(8, expected=SLACK_ERRORS, name="tracebot-command")
        self.closing = threading.Event()
        """Set when nothing waits for the database any more."""

    def close(self) -> None:
        """Finish what runs and drop what waits."""
        self.closing.set()
        for pool in (self.ratings, self.changes, self.commands):
            pool.shutdown(cancel_futures=True)


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
    notices: NoticeBoard
    presence: Presence
    sources: list[Callable[[], object]] = field(default_factory=list)

    def stop(self, *, grace: float = GRACE_S) -> None:
        """Accept no more events, let turns end for *grace* seconds, then cancel them."""
        # First whatever begins work, so that nothing new comes while the rest is closed.
        self.scheduler.stop()
        for stop in self.sources:
            stop()
        # Then the turns. They still need everything below: workers to cancel them on a click,
        # `notices` to hear of other processes' requests, `delivery` to post.
        self.inbox.stop(grace=grace)
        # A turn that outlived its cancellation may still post or retry: let it fail now.
        self.delivery.close()
        # Then what the turns used.
        self.workers.close()
        self.unfinished.close()
        self.eraser.close()
        self.notices.close()
        # Last: what this process still holds is now for the others.
        self.presence.stop()
        # The database is closed by the caller, who opened it: all of the above record into it.

    def cancel_turns(self) -> None:
        """Cancel the running turns at once, without grace. May be called from any thread."""
        self.running.cancel_all(SHUTDOWN)


def connect(bot: Bot, settings: Settings) -> None:
    """Connect in Socket Mode, in the background; `bot.status` says whether it is connected.

    Raises `SettingsError` at once if Slack refuses the app's token.
    """
    bot.status.mode = "socket"
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
    bot.status.mode = "http"
    bot.sources.append(server.stop)
    bot.status.stands()
    return server
