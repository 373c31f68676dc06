"""`tracebot serve`: answer in Slack until a signal, then let the running turns finish."""

import logging
import math
import secrets
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from types import FrameType

from bot.agents.config.isolation import Gap, isolation_gaps, open_doors
from bot.agents.config.roster import Roster
from bot.agents.programs.process.temporary import remove_left_folders
from bot.app import build_bot
from bot.cli.agents_file import load_agents
from bot.cli.commands.signals import Hangup, StopSignal, handle, stop_signal
from bot.cli.exit_codes import DONE
from bot.cli.terminal import log_to_stderr
from bot.concurrency.notice_board import AGENTS
from bot.http.otlp_receiver import Collector, listen_to_agents
from bot.lifecycle import Bot, connect, listen
from bot.retry import RetryPolicy, TryAgain
from bot.settings import Settings
from bot.slack.connection.status import ConnectionStatus
from bot.slack.errors import SlackUnavailable
from storage import Observability
from storage.recording.log_handler import LogHandler
from storage.recording.log_throttle import LogThrottle
from storage.recovery.integrity import check_at_start

logger = logging.getLogger("tracebot")


WAITING = RetryPolicy(attempts=None, first_wait_s=1.0, longest_wait_s=30.0)
"""How a start waits for Slack: until it answers, or until a signal."""


def serve(settings: Settings, hints: Sequence[str], *, http: bool) -> int:
    """Serve in Socket Mode or over HTTP. Raises `SettingsError` and `StorageError`.

    The `hints` are about names of settings that are misspelt.
    """
    log_to_stderr()
    throttle = LogThrottle.install()
    for hint in hints:
        logger.warning("%s", hint)
    roster = load_agents(settings)
    remove_left_folders()
    _warn_of(isolation_gaps(roster))
    with Observability.open(
        settings.database_url or None,
        platform="slack",
        busy_timeout_ms=settings.busy_timeout_ms,
    ) as observability:
        handler = LogHandler(observability)
        throttle.targets.append(handler)
        check_at_start(observability.database)
        _warn_of(open_doors(roster, observability.database))
        collector = Collector(observability, capture=settings.captured, key=secrets.token_hex(16))
        url = listen_to_agents(collector, settings)
        where = f"http://0.0.0.0:{settings.port}/slack/events" if http else "Socket Mode"
        status = ConnectionStatus(
            lambda: sys.stderr.write(
                f"tracebot answers in {where} with {', '.join(roster.names)}, and records in "
                f"{observability.database.label}. Press Ctrl-C to stop.\n"
            )
        )
        build = partial(
            build_bot,
            settings,
            roster=roster,
            observability=observability,
            collector=url,
            status=status,
        )
        stop = stop_signal()
        hangup = Hangup(stop)
        hangup.reload_by(roster.reload)
        try:
            bot = _when_slack_answers(build, status, stop)
            if bot is not None:
                _follow_reloads(bot, roster, hangup)
                _run(bot, settings, stop, http=http)
        finally:
            collector.stop()
            throttle.tell()
            throttle.targets.remove(handler)
    return DONE


def _warn_of(gaps: Iterable[Gap]) -> None:
    for gap in gaps:
        logger.warning("%s %s: %s.", ", ".join(gap.agents), gap.found, gap.advice)


def _when_slack_answers(
    build: Callable[[], Bot], status: ConnectionStatus, stop: StopSignal
) -> Bot | None:
    """Return the bot once Slack answers, None if a signal came first."""

    def attempt() -> Bot:
        try:
            return build()
        except SlackUnavailable as error:
            status.failed(str(error))
            raise TryAgain(error, wait_s=error.wait_s) from error

    try:
        return WAITING.call(attempt, patience_s=math.inf, sleep=stop.wait)
    except SlackUnavailable:
        return None


def _follow_reloads(bot: Bot, roster: Roster, hangup: Hangup) -> None:
    """Read the agents file again at SIGHUP, in all processes of this bot, each its own file."""

    def in_background(reload: Callable[[], object]) -> None:
        # A signal may have interrupted this thread while it holds a lock. A subscriber is quick.
        threading.Thread(target=reload, name="tracebot-reload", daemon=True).start()

    def reload_everywhere() -> None:
        if roster.reload():  # Others need not try a file that is wrong.
            bot.notices.post(AGENTS)

    hangup.reload_by(lambda: in_background(reload_everywhere))
    bot.notices.subscribe(AGENTS, lambda key: in_background(roster.reload))


def _run(bot: Bot, settings: Settings, stop: StopSignal, *, http: bool) -> None:
    """Answer until a signal, then let the running turns finish."""
    try:
        if http:
            listen(bot, settings)
        else:
            connect(bot, settings)
        bot.scheduler.start()
        stop.wait()
        _hurry_at_next_signal(bot)
        logger.info("Stopping: running turns have %g s to finish.", settings.grace)
    finally:
        bot.stop(grace=settings.grace)


def _hurry_at_next_signal(bot: Bot) -> None:
    """End the running turns at a second signal, and the process at a third."""

    def hurrying(number: int, frame: FrameType | None) -> None:
        for each in (signal.SIGTERM, signal.SIGINT):
            if signal.getsignal(each) is not signal.SIG_IGN:
                signal.signal(each, signal.SIG_DFL)
        # In another thread: the signal may have interrupted this one while it holds a lock that
        # cancelling needs.
        threading.Thread(target=bot.cancel_turns, daemon=True).start()

    handle((signal.SIGTERM, signal.SIGINT), hurrying)
