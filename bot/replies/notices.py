"""Say what the bot itself has to say about a message: in its thread, or to its author alone."""

from collections.abc import Sequence

from slack_sdk.errors import SlackApiError

from bot.replies.delivery import ReplyDelivery
from bot.replies.final_reply import TurnFailure
from bot.replies.messages import Message, unposted_message
from bot.slack.errors import BLOCKS_REFUSED, SLACK_ERRORS, error_code, is_gone
from bot.slack.types import IncomingMessage
from reports.render.block_kit import Block
from storage import Observability


class Notices:
    """Post sentences of the bot. No error is raised: the span of each says if it was posted."""

    def __init__(self, delivery: ReplyDelivery, observability: Observability) -> None:
        self._delivery = delivery
        self._observability = observability

    def say(self, message: IncomingMessage, text: str, blocks: Sequence[Block] = ()) -> None:
        """Post a sentence of the bot itself in the message's thread, or tell it the author.

        *blocks* say the same, with buttons.
        """
        said: Message = {"text": text, "unfurl_links": False, "unfurl_media": False}
        if blocks:
            said["blocks"] = list(blocks)
        with self._observability.span("reply", kind="producer", characters=len(text)) as span:
            try:
                self._post(message, said)
            except SLACK_ERRORS as error:
                span.fail("slack_api", error_code(error))
                if is_gone(error_code(error)) and not message.is_direct:
                    self.tell(message, text, blocks)

    def _post(self, message: IncomingMessage, said: Message) -> None:
        try:
            self._delivery.post(message.place, said)
        except SlackApiError as error:
            if "blocks" not in said or error_code(error) not in BLOCKS_REFUSED:
                raise
            # Without buttons rather than not at all: the text says the same.
            self._delivery.post(message.place, {**said, "blocks": []})

    def tell(self, message: IncomingMessage, text: str, blocks: Sequence[Block] = ()) -> None:
        """Tell only the message's author. A direct message needs no privacy, and is lasting."""
        if message.is_direct:
            self.say(message, text, blocks)
            return
        self._tell(message, text, thread_ts=message.thread_ts, blocks=blocks)

    def tell_unposted(
        self, message: IncomingMessage, failures: Sequence[TurnFailure], *, trace_id: str
    ) -> None:
        """Tell the message's author, once, which agents' replies Slack does not take, and why."""
        refused = [failure for failure in failures if failure.refused]
        if not refused:
            return
        text = unposted_message(
            [failure.agent for failure in refused],
            refused[0].refused,
            channel=message.channel,
            trace_id=trace_id,
        )
        self._tell(message, text, thread_ts=None)

    def _tell(
        self,
        message: IncomingMessage,
        text: str,
        *,
        thread_ts: str | None,
        blocks: Sequence[Block] = (),
    ) -> None:
        with self._observability.span("tell author", kind="producer", characters=len(text)) as span:
            try:
                self._delivery.post_privately(
                    message.channel, message.user, text, thread_ts=thread_ts, blocks=blocks
                )
            except SLACK_ERRORS as error:
                span.fail("slack_api", error_code(error))
