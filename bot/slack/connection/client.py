"""Clients of Slack's Web API: which calls they repeat, and how patiently."""

import logging
import time
from http.client import HTTPException

from slack_sdk import WebClient
from slack_sdk.http_retry import HttpRequest, HttpResponse, RetryHandler, RetryState

from bot.retry import RetryPolicy, is_passing, retry_after
from bot.settings import Settings
from bot.slack.connection.checked_client import method_of
from bot.slack.connection.guarded_client import GuardedClient
from bot.slack.errors import PASSING, SlackUnwell
from bot.slack.own_secrets import OwnSecrets

# It would tell of each repetition in two lines. What fails in the end is told by whoever called.
logging.getLogger("slack_sdk.web").setLevel(logging.WARNING)

PATIENT = RetryPolicy(attempts=4, first_wait_s=0.5, longest_wait_s=4.0)
PATIENT_S = 60.0
"""The longest that a turn waits for Slack's rate limit."""

BRIEF = RetryPolicy(attempts=3, first_wait_s=0.25, longest_wait_s=1.0)
BRIEF_S = 3.0
"""The longest that somebody waits for Slack's rate limit before they get an answer."""


def client_with_retries(settings: Settings, secrets: OwnSecrets) -> WebClient:
    """Return a client that repeats failed calls.

    It repeats those that do no harm when Slack executes them twice: reading, and reactions. What
    it posts is not a reply of an agent, which has forms of its own in `bot.replies.ladder`.
    """
    client = client_without_retries(settings, secrets)
    client.words_at_last = True
    client.retry_handlers = [RepeatedCalls(PATIENT, patience_s=PATIENT_S)]
    return client


LOOKUP_TIMEOUT_S = 5
"""How long a lookup waits for one answer of Slack, in seconds."""


def client_for_lookups(settings: Settings, secrets: OwnSecrets) -> WebClient:
    """Return a client for facts about people and channels: it soon gives up.

    Slack limits the rate of calls, and may ask to wait for a minute. The answer then does without.
    """
    client = client_without_retries(settings, secrets, timeout_s=LOOKUP_TIMEOUT_S)
    client.retry_handlers = [RepeatedCalls(BRIEF, patience_s=BRIEF_S)]
    return client


ONCE = frozenset(
    (
        *("chat.postMessage", "chat.postEphemeral", "chat.startStream", "chat.appendStream"),
        *("files.completeUploadExternal", "views.open", "views.push"),
    )
)
"""Methods that may have done their work although their answer did not arrive.

`bot.replies.delivery` and `bot.jobs.digests` look for a message before they post it again.
"""


class RepeatedCalls(RetryHandler):
    """The one policy for calls that do no harm twice.

    A call is repeated after an error of the network, a rate limit, an error of a server (500, 502,
    503, 504 …), an answer that makes no sense, and an error code of what Slack recovers from. A
    wait that Slack asks for is kept if it is at most `patience_s`. The methods of `ONCE` are
    repeated only after a rate limit, which had no effect.
    """

    def __init__(self, policy: RetryPolicy, *, patience_s: float) -> None:
        self._policy = policy
        self._patience_s = patience_s

    def can_retry(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        if method_of(request.url) in ONCE:
            passes = response is not None and response.status_code == 429
        else:
            passes = _passes(error) if response is None else _recovers(response)
        return passes and self._wait(state, response) is not None

    def prepare_for_next_attempt(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> None:
        time.sleep(self._wait(state, response) or 0.0)
        state.next_attempt_requested = True
        state.increment_current_attempt()

    def _wait(self, state: RetryState, response: HttpResponse | None) -> float | None:
        asked = _asked_wait(response) if response is not None else None
        return self._policy.wait_after(
            state.current_attempt + 1, asked_s=asked, left_s=self._patience_s
        )


def _passes(error: Exception | None) -> bool:
    """Return whether an error without an answer of Slack may be gone at the next attempt."""
    if isinstance(error, SlackUnwell):
        return error.status == 200 or is_passing(error.status)
    return isinstance(error, OSError | HTTPException)


def _recovers(response: HttpResponse) -> bool:
    """Return whether an answer says that Slack may do better at the next attempt."""
    code = (response.body or {}).get("error")
    return is_passing(response.status_code) or code in PASSING


def _asked_wait(response: HttpResponse) -> float | None:
    """Return the seconds to wait if Slack limits the rate of calls, None for any other answer."""
    if response.status_code != 429:
        return None
    headers = {name: str(values[0]) for name, values in response.headers.items() if values}
    seconds = retry_after(headers, now=time.time())
    return 1.0 if seconds is None else seconds


def client_without_retries(
    settings: Settings, secrets: OwnSecrets, *, timeout_s: int = 30
) -> GuardedClient:
    """Return a client that makes each call once; the caller decides whether to repeat it."""
    client = GuardedClient(
        settings.slack_bot_token.get_secret_value(),
        secrets=secrets,
        base_url=settings.slack_api_url,
        timeout=timeout_s,
    )
    # An empty list, because slack_sdk's default repeats a call after a connection error.
    client.retry_handlers = []
    return client
