"""Answer commands and buttons through their `response_url`, again while Slack is unwell."""

import time
from collections.abc import Callable
from http.client import HTTPException
from typing import Any

from bot.retry import RetryPolicy, TryAgain, retry_after
from bot.slack.errors import SlackUnwell

POLICY = RetryPolicy(attempts=4, first_wait_s=0.5, longest_wait_s=4.0)
PATIENCE_S = 30.0
"""How long somebody waits for an answer that nobody else sees. Slack takes it for half an hour."""


def patient(respond: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that calls Bolt's *respond* until Slack has taken the message.

    It may be shown twice if only the answer was lost. Raises `SlackUnwell`.
    """

    def send(**message: Any) -> Any:
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
