"""Reactions of the bot that show how far it is with a message."""

from collections.abc import Iterator
from contextlib import contextmanager

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.slack.errors import SLACK_ERRORS, error_code
from bot.slack.types import IncomingMessage
from storage import Observability

READ, WAITING = "eyes", "hourglass_flowing_sand"
DONE, FAILED, STOPPED = "white_check_mark", "x", "octagonal_sign"


class Reactions:
    """Add and remove the bot's own reactions, each in a span.

    An error is recorded and not raised: a missing reaction must not cost the answer.
    """

    def __init__(self, client: WebClient, observability: Observability) -> None:
        self._client = client
        self._observability = observability

    def add(self, message: IncomingMessage, name: str) -> None:
        with self._step("add reaction", name):
            self._client.reactions_add(channel=message.channel, timestamp=message.ts, name=name)

    def remove(self, message: IncomingMessage, name: str) -> None:
        with self._step("remove reaction", name):
            self._client.reactions_remove(channel=message.channel, timestamp=message.ts, name=name)

    @contextmanager
    def _step(self, step: str, name: str) -> Iterator[None]:
        with self._observability.span(step, kind="client", emoji=name) as span:
            try:
                yield
            except SlackApiError as error:
                # The client repeats calls whose answer was lost: the first may have worked.
                if error_code(error) not in ("already_reacted", "no_reaction"):
                    span.fail("slack_api", error_code(error))
            except SLACK_ERRORS as error:
                span.fail(type(error).__name__, str(error))
