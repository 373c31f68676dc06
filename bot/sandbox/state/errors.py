"""The sandbox's exceptions.

* `Refusal`: Slack refuses a call of the app: `{"ok": false, "error": …}`.
* `SandboxError`: a test or the demo asked for something that cannot happen in Slack.
"""

from typing import Any


class Refusal(Exception):
    """Slack refuses this call of the app. `error` is Slack's name for the reason."""

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
    """This cannot happen in Slack; the message says why."""
