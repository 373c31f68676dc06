"""What the sandbox says when it will not.

* `Refusal`: Slack's answer to the app; `{"ok": false, "error": …}`.
* `SandboxError`: a test or a demo asked for what could not happen in Slack.
"""

from typing import Any


class Refusal(Exception):
    """The app asked for what Slack refuses. `error` is Slack's word for it."""

    def __init__(self, error: str, *messages: str, **extra: Any) -> None:
        super().__init__(error, *messages)
        self.error = error
        self.messages = messages
        self.extra = extra

    def as_slack(self) -> dict[str, Any]:
        answer = {"ok": False, "error": self.error, **self.extra}
        if self.messages:
            messages = [f"[ERROR] {text}" for text in self.messages]
            answer["response_metadata"] = {"messages": messages}
        return answer


class SandboxError(Exception):
    """What was asked of the sandbox could not happen in Slack; the message says why."""
