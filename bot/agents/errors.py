"""The reasons why an agent gave no answer.

AgentError           "not_started", "quota", "authentication", "too_long", "output_limit",
│                    "refused", "empty"
├── AgentNotFound    "not_found": the program, its working directory or its server is missing
├── AgentTimeout     "timeout": it did not finish in time and was stopped
├── AgentCrashed     "crash": it ended with an error
├── SessionGone      "crash": the session to go on with is gone, and nothing was answered yet
└── AgentCancelled   "cancelled": somebody stopped it

The words in quotes are values of `error_type`: they are stored with spans and choose the sentence
that a user is shown.
"""

import re

from bot.agents.types import Reply

FALLBACK_ERRORS = frozenset(
    {"not_found", "not_started", "quota", "authentication", "too_long", "crash", "timeout"}
)
"""The error types after which the agent's next provider is asked: never a refusal or a stop."""

OUTPUT_LIMIT = frozenset({"max_tokens", "length"})
"""The stop reasons of a model that may write no more. It may have thought all the time."""

TOO_LONG = re.compile(
    r"\b(?:prompt|input|request)(?: is)? too (?:long|large)"
    r"|\bcontext[ _](?:length|size|window|limit)|\btokens?\b.{0,40}\bexceeds? the maximum",
    re.IGNORECASE,
)
"""The words of models about a conversation that is too long for them."""


class AgentError(Exception):
    """The agent gave no answer; the message says why, and what to do.

    `stderr` is the end of a program's standard error, and `said` the error in its output. They may
    contain secrets, so they are only for records and replies that are redacted. `partial` is the
    text, tokens and cost up to the failure.
    """

    def __init__(
        self,
        error_type: str,
        message: str,
        *,
        exit_code: int | None = None,
        stderr: str = "",
        said: str = "",
        partial: Reply | None = None,
    ) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.message = message
        self.exit_code = exit_code
        self.stderr = stderr
        self.said = said
        self.partial = partial


class AgentNotFound(AgentError):
    """The program, its working directory or its server is missing."""

    def __init__(self, message: str) -> None:
        super().__init__("not_found", message)


class AgentTimeout(AgentError):
    """The agent did not finish in time and was stopped."""

    def __init__(self, message: str, *, stderr: str = "", partial: Reply | None = None) -> None:
        super().__init__("timeout", message, stderr=stderr, partial=partial)


class AgentCrashed(AgentError):
    """The agent ended with an error."""

    def __init__(
        self,
        message: str,
        *,
        exit_code: int | None = None,
        stderr: str = "",
        said: str = "",
        partial: Reply | None = None,
    ) -> None:
        super().__init__(
            "crash", message, exit_code=exit_code, stderr=stderr, said=said, partial=partial
        )


class SessionGone(AgentCrashed):
    """The session to go on with is gone, or the program ended before it did anything."""


class AgentCancelled(AgentError):
    """The agent was stopped by `by`: a Slack user's id, or a word such as `shutdown`."""

    def __init__(self, by: str, *, stderr: str = "", partial: Reply | None = None) -> None:
        super().__init__("cancelled", f"Stopped by {by}.", stderr=stderr, partial=partial)
        self.by = by
