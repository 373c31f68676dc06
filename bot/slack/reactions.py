"""Reactions of the bot say how far a message is. They may fail; the answer does not with them."""

from collections.abc import Iterator
from contextlib import contextmanager

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.slack.errors import SLACK_ERRORS
from bot.slack.types import IncomingMessage
from storage import Observability

READ, WAITING = "eyes", "hourglass_flowing_sand"
DONE, FAILED, STOPPED = "white_check_mark", "x", "octagonal_sign"


class Reactions:
    """Adds and removes the bot's own; each is a span."""

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
    def _step(self, what: str, name: str) -> Iterator[None]:
        with self._observability.span(what, kind="client", emoji=name) as span:
            try:
                yield
            except SlackApiError as error:
                if error.response.get("error") not in ("already_reacted", "no_reaction"):
                    span.fail("slack_api", str(error.response.get("error")))
            except SLACK_ERRORS as error:
                span.fail(type(error).__name__, str(error))
