"""Answer commands and buttons through their `response_url`, again while Slack is unwell.

If Slack does not take an answer there (a URL works for half an hour and five times), it is posted.
"""

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.client import HTTPException
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.retry import RetryPolicy, TryAgain, is_passing, retry_after
from bot.slack.errors import SLACK_ERRORS, SlackUnwell, error_code, is_refusal
from bot.slack.errors import retry_after as asked_wait
from reports.render.slack.plain import plainer_messages

POLICY = RetryPolicy(attempts=4, first_wait_s=0.5, longest_wait_s=4.0)
PATIENCE_S = 30.0
"""How long somebody waits for an answer that nobody else sees. Slack takes it for half an hour."""

NOT_SHOWN = (
    "I could not show you an answer where you asked, because Slack did not take it there. Please "
    "try again, or ask me here with `/trace`."
)

logger = logging.getLogger("tracebot.responses")


def patient(respond: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that calls Bolt's *respond* until Slack has taken the message.

    It may be shown twice if only the answer was lost. If Slack refuses the blocks, plain ones are
    sent, and at last their words. Raises `SlackUnwell`.
    """

    def send(**message: Any) -> Any:
        answer = _send(respond, message)
        for plainer in plainer_messages(message):
            if not _is_refused(answer):
                break
            logger.warning("Slack refuses the blocks of an answer: %s", answer.body[:200])
            answer = _send(respond, plainer)
        if not _is_taken(answer):
            raise _not_taken(answer)
        return answer

    return send


def _send(respond: Callable[..., Any], message: Mapping[str, Any]) -> Any:
    """Return the answer to a message, sent until there is one that is Slack's."""

    def attempt() -> Any:
        try:
            answer = respond(**message)
        except (OSError, HTTPException, ValueError, LookupError) as error:
            # Of the network, or of reading a gateway's page as if it were Slack's.
            raise TryAgain(SlackUnwell("Slack did not take an answer.")) from error
        if is_passing(answer.status_code):
            wait_s = retry_after(answer.headers, now=time.time())
            raise TryAgain(_not_taken(answer), wait_s=wait_s)
        return answer

    return POLICY.call(attempt, patience_s=PATIENCE_S)


def or_else(send: Callable[..., Any], post: Callable[..., object]) -> Callable[..., Any]:
    """Return a function that gives a message to *post* if Slack does not take it from *send*.

    Raises the `SlackUnwell` of *send* if *post* raises one of `SLACK_ERRORS`.
    """

    def send_or_post(**message: Any) -> Any:
        try:
            return send(**message)
        except SlackUnwell as error:
            logger.info("An answer is posted instead: %s", error)
            with suppress(*SLACK_ERRORS):
                return post(**message)
            raise

    return send_or_post


def post_privately(
    client: WebClient,
    channel: str,
    user: str,
    *,
    text: str,
    blocks: list[dict[str, Any]] | None = None,
    thread_ts: str | None = None,
    **options: Any,
) -> None:
    """Post what only *user* sees; its *options* are those of a `response_url`.

    Where the bot may not post, as on the Home tab, which has no *channel*, they are told in a
    direct message that there is an answer. Raises one of `SLACK_ERRORS`.

    It may be shown twice if only the answer to a call was lost.
    """
    message = {"thread_ts": thread_ts, "blocks": blocks, "text": text}
    if channel:
        try:
            _answered(client.chat_postEphemeral, channel=channel, user=user, **message)
            return
        except SlackApiError as error:
            if not is_refusal(error):
                raise
            logger.info("An answer cannot be posted in %s: %s", channel, error_code(error))
    _answered(client.chat_postMessage, channel=user, text=NOT_SHOWN)


def _answered(call: Callable[..., object], **arguments: Any) -> None:
    """Make a call until Slack answers it. Raises one of `SLACK_ERRORS`."""

    def attempt() -> None:
        try:
            call(**arguments)
        except SLACK_ERRORS as error:
            if is_refusal(error):
                raise
            raise TryAgain(error, wait_s=asked_wait(error)) from error

    POLICY.call(attempt, patience_s=PATIENCE_S)


def _not_taken(answer: Any) -> SlackUnwell:
    status = answer.status_code
    return SlackUnwell(f"Slack did not take an answer (status {status}).", status=status)


def _is_taken(answer: Any) -> bool:
    """Return False if Slack refuses the message, or the URL itself."""
    return answer.status_code < 400 and not _is_refused(answer)


def _is_refused(answer: Any) -> bool:
    """Return True if Slack refuses the message: with a status, or in an answer that is not ok."""
    refused = '"ok":false' in answer.body.replace(" ", "") or answer.body.startswith("invalid_")
    return answer.status_code == 400 or (answer.status_code == 200 and refused)
