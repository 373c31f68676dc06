"""Answer commands and buttons through their `response_url`, again while Slack is unwell."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from http.client import HTTPException
from typing import Any

from bot.retry import RetryPolicy, TryAgain, retry_after
from bot.slack.errors import SlackUnwell
from reports.render.slack.plain import plain

POLICY = RetryPolicy(attempts=4, first_wait_s=0.5, longest_wait_s=4.0)
PATIENCE_S = 30.0
"""How long somebody waits for an answer that nobody else sees. Slack takes it for half an hour."""

logger = logging.getLogger("tracebot.responses")


def patient(respond: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that calls Bolt's *respond* until Slack has taken the message.

    It may be shown twice if only the answer was lost. If Slack refuses the blocks, plain ones are
    sent, and at last their words. Raises `SlackUnwell`.
    """

    def send(**message: Any) -> Any:
        answer = send_as_it_is(**message)
        for plainer in _plainer_forms(message):
            if not _is_refused(answer):
                break
            logger.warning("Slack refuses the blocks of an answer: %s", answer.body[:200])
            answer = send_as_it_is(**plainer)
        return answer

    def send_as_it_is(**message: Any) -> Any:
        def attempt() -> Any:
            try:
                answer = respond(**message)
            except (OSError, HTTPException, ValueError, LookupError) as error:
                # Of the network, or of reading a gateway's page as if it were Slack's.
                raise TryAgain(SlackUnwell("Slack did not take an answer.")) from error
            if answer.status_code == 429 or answer.status_code >= 500:
                status = answer.status_code
                raise TryAgain(
                    SlackUnwell(f"Slack did not take an answer (status {status}).", status=status),
                    wait_s=retry_after(answer.headers, now=time.time()),
                )
            return answer

        return POLICY.call(attempt, patience_s=PATIENCE_S)

    return send


def _plainer_forms(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a message with blocks in its plainer forms: with plain blocks, and with words alone."""
    if blocks := message.get("blocks"):
        if (plainer := plain(blocks)) != blocks:
            yield {**message, "blocks": plainer}
        words = "\n".join(_words(plainer)) or message.get("text")
        yield {**message, "text": words, "blocks": None}


def _is_refused(answer: Any) -> bool:
    """Return True if Slack refuses the message: with a status, or in an answer that is not ok."""
    refused = '"ok":false' in answer.body.replace(" ", "") or answer.body.startswith("invalid_")
    return answer.status_code == 400 or (answer.status_code == 200 and refused)


def _words(blocks: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the texts of blocks, which are mrkdwn or plain. Buttons have none."""
    for block in blocks:
        for each in (block.get("text"), *block.get("fields", ()), *block.get("elements", ())):
            if isinstance(each, Mapping) and isinstance(each.get("text"), str):
                yield each["text"]
