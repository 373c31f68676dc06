"""Reactions of the bot that show how far it is with a message."""

import logging
import threading
from collections.abc import Callable, Collection
from concurrent.futures import Executor
from contextvars import copy_context

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.slack.errors import SLACK_ERRORS, error_code, is_refusal
from bot.slack.types import IncomingMessage
from storage import Observability

READ, WAITING = "eyes", "hourglass_flowing_sand"
DONE, FAILED, STOPPED = "white_check_mark", "x", "octagonal_sign"
ENDS = (DONE, FAILED, STOPPED)
"""The states in which a turn may leave its message."""

SHOW_S = 1.0
"""How long a turn waits for a reaction before it goes on."""

SETTLE_S = 5.0
"""How long the end of a turn waits for its reaction. The next one of its thread waits as long."""

logger = logging.getLogger("tracebot.reactions")


class Reactions:
    """Add and remove the bot's own reactions, each in a span.

    No error is raised, not even a fault of ours: a missing reaction must not cost the answer.
    """

    def __init__(self, client: WebClient, observability: Observability) -> None:
        self._client = client
        self._observability = observability

    def add(self, message: IncomingMessage, name: str) -> bool:
        """Add a reaction; return False if Slack may do so late."""
        return self._step("add reaction", self._client.reactions_add, message, name)

    def remove(self, message: IncomingMessage, name: str) -> bool:
        """Remove a reaction; return False if it may still be there."""
        return self._step("remove reaction", self._client.reactions_remove, message, name)

    def _step(
        self, step: str, call: Callable[..., object], message: IncomingMessage, name: str
    ) -> bool:
        with self._observability.span(step, kind="client", emoji=name) as span:
            try:
                call(channel=message.channel, timestamp=message.ts, name=name)
            except SlackApiError as error:
                # The client repeats calls whose answer was lost: the first may have worked.
                if error_code(error) not in ("already_reacted", "no_reaction"):
                    span.fail("slack_api", error_code(error))
                return is_refusal(error)
            except SLACK_ERRORS as error:
                span.fail(type(error).__name__, str(error))
                return False
            except Exception as error:
                span.fail(type(error).__name__, str(error))
                logger.exception("The %s could not be shown on a message", name)
        return True


class StatusReaction:
    """The one reaction by which a message shows how far its turn is.

    Slack may take seconds for a call, and two calls that overtake each other would leave a reaction
    behind. So only one thread at a time calls Slack; others merely say what is wanted, and the one
    that is busy goes on until the message shows it. The calls are made on threads of an executor,
    so that a reaction that Slack does not show soon delays no answer.
    """

    def __init__(
        self,
        reactions: Reactions,
        message: IncomingMessage,
        executor: Executor,
        *,
        on_doubt: Callable[[], object],
        left: Collection[str] = (),
    ) -> None:
        """*left* are the states that earlier turns may leave on the message before this one begins.

        `on_doubt` is called if the message may show a state that it should not show any more.
        """
        self._reactions = reactions
        self._message = message
        self._executor = executor
        self._on_doubt = on_doubt
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._begun = False
        self._busy = False
        self._wanted: str | None = None
        self._shown: str | None = None
        self._left = tuple(left)
        self._to_remove = list(left)

    def show_waiting(self) -> None:
        """Show WAITING, unless the turn has shown its own state in the meantime."""
        self._want(WAITING, begin=False)
        self._wait(SHOW_S)

    def show(self, name: str | None) -> None:
        """Show the state *name* in place of the one before; None shows no state.

        If Slack takes longer than a moment, that goes on in the background.
        """
        self._want(name, begin=True)
        self._wait(SHOW_S)

    def settle(self) -> None:
        """Wait a while longer until the message shows what it should."""
        if not self._wait(SETTLE_S):
            self._on_doubt()

    def _wait(self, seconds: float) -> bool:
        with self._idle:
            return self._idle.wait_for(lambda: not self._busy, seconds)

    def _want(self, name: str | None, *, begin: bool) -> None:
        with self._lock:
            if self._begun and not begin:
                return
            if begin and not self._begun:
                # Perhaps an earlier turn has ended since this one showed that it waits.
                self._to_remove = list(self._left)
            self._begun |= begin
            self._wanted = name
            if self._busy:
                return
            self._busy = True
        try:
            # In this context, so that the spans of the calls are below the turn's.
            self._executor.submit(copy_context().run, self._work)
        except RuntimeError:  # A turn outlived the bot's other parts.
            self._work()

    def _work(self) -> None:
        """Call Slack until the message shows what is wanted."""
        while self._take_step():
            pass

    def _take_step(self) -> bool:
        """Add or remove one reaction; return False once the message shows what is wanted."""
        with self._lock:
            before, wanted = self._shown, self._wanted
            # Nobody knows which of these are there: the wanted state, too, is removed first.
            left = self._to_remove.pop() if self._to_remove else None
            # Decided under the lock: a state wanted after this finds nobody busy, and is shown by
            # the thread that wants it.
            self._busy = left is not None or before != wanted
            if not self._busy:
                self._idle.notify_all()
                return False
            if left is None:
                self._shown = wanted if before is None else None
        is_sure = True
        if (unwanted := left or before) is not None:
            is_sure = self._reactions.remove(self._message, unwanted)
        elif wanted is not None:
            is_sure = self._reactions.add(self._message, wanted)
        if not is_sure:
            self._on_doubt()
        return True
