"""Wait for what Slack adds to a message a moment after it was posted.

A message that is linked to is shown below the link, and what is said in a voice clip is written
down. Neither is in the event of the message. The event of that change may reach another process of
the bot, so the message is read again.
"""

import logging
import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from slack_sdk import WebClient

from bot.agents.cancellation import Cancellation
from bot.slack.errors import SLACK_ERRORS, error_code
from bot.slack.types import IncomingMessage, is_voice_clip, parse_message
from bot.turns.accepted import read_message
from reports.formatting import PERMALINK
from storage import Observability

WAITS_S = (0.5, 1.0, 2.0, 4.0, 4.0, 4.0, 4.0)
"""Seconds before each look. Others saw a linked message shown after one second."""

MOST_LOOKS = 3
"""Looks for what may never come: Slack shows no message that its reader must not see. What Slack is
busy with is waited for until the last one."""

logger = logging.getLogger("tracebot.late_parts")


class LateParts:
    """Read messages again until they are whole. Never raises for an error of Slack."""

    def __init__(self, client: WebClient, *, observability: Observability) -> None:
        self._client = client
        self._observability = observability

    def awaited(self, message: IncomingMessage, cancellation: Cancellation) -> IncomingMessage:
        """Return *message* with what Slack adds to it in the next seconds, until it is cancelled.

        Its text stays: an edit asks nothing again.
        """
        if looks_left(message) == 0:
            return message
        stopped = threading.Event()
        with (
            self._observability.span("wait for Slack", kind="client") as span,
            cancellation.watch(stopped.set),
        ):
            for number, wait in enumerate(WAITS_S):
                if number >= looks_left(message) or stopped.wait(wait):
                    break
                message = self._read_again(message)
            span.set(whole=looks_left(message) == 0)
        return message

    def _read_again(self, message: IncomingMessage) -> IncomingMessage:
        try:
            found, _ = read_message(self._client, message.channel, message.root_ts, message.ts)
        except SLACK_ERRORS as error:
            logger.warning("A message cannot be read again: %s", error_code(error))
            return message
        if found is None:  # Its turn is cancelled in a moment.
            return message
        now = parse_message({"event": {**found, "channel": message.channel}}, team=message.team)
        return replace(message, attachments=now.attachments, files=now.files)


def looks_left(message: IncomingMessage) -> int:
    """Return how often a message is looked at before it is taken as it is; 0 if it is whole."""
    if message.bot_id:  # Apps mostly post without previews.
        return 0
    states = [_transcription(file).get("status") for file in message.files if is_voice_clip(file)]
    if "processing" in states:
        return len(WAITS_S)
    shown = _links(str(each.get("from_url")) for each in message.attachments)
    return MOST_LOOKS if None in states or _links([message.text]) - shown else 0


def _transcription(file: Mapping[str, Any]) -> Mapping[str, Any]:
    found = file.get("transcription")
    return found if isinstance(found, Mapping) else {}


def _links(texts: Iterable[str]) -> set[str]:
    """Return the channels and times of the messages to which texts link."""
    return {
        f"{found[1]} {found[2]}.{found[3]}" for text in texts for found in PERMALINK.finditer(text)
    }
